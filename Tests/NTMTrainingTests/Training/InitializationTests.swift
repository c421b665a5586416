import Foundation
import NTMModel
import NTMTestSupport
import Testing

@testable import NTMTraining

/// Parameters before training, and which of them training changes.
struct InitializationTests {
  @Test(arguments: UInt64(0)..<20)
  func isWithinItsBounds(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let configuration = Configuration.random(&random)
    var generator = RandomGenerator(seed: seed)
    let parameters = try ParameterVector(untrained: configuration, using: &generator)
    let model = try parameters.model(configuration)
    let units = configuration.controller.units
    for tensor in model.tensors where !tensor.name.hasPrefix("start.") {
      let values = tensor.values.map(Double.init)
      let bound: Double
      switch tensor.name {
      case _ where tensor.name.hasPrefix("controller."): bound = 1 / sqrt(Double(units))
      case _ where tensor.name.hasSuffix(".bias"): bound = 0.01
      default: bound = sqrt(6 / Double(tensor.shape[0] + tensor.shape[1]))
      }
      let isForgetBias = { (index: Int) in
        configuration.controller.kind == .lstm && tensor.name.hasPrefix("controller.")
          && tensor.name.hasSuffix(".bias") && (units..<2 * units).contains(index)
      }
      for (index, value) in values.enumerated() {
        let centre = isForgetBias(index) ? 1.0 : 0
        #expect(abs(value - centre) <= bound * (1 + 1e-6), "\(tensor.name)[\(index)]")
      }
      // Not all alike, nor all on one side.
      if values.count > 40, tensor.name.hasSuffix(".weight") {
        #expect(values.contains { $0 > bound / 2 } && values.contains { $0 < -bound / 2 })
      }
    }
  }

  @Test func oneSeedGivesOneModel() throws {
    let configuration = TrainingSetup.tiny().configuration
    func digest(_ seed: UInt64) throws -> String {
      var generator = RandomGenerator(seed: seed)
      return try ParameterVector(untrained: configuration, using: &generator)
        .model(configuration).digest()
    }
    #expect(try digest(1) == digest(1))
    #expect(try digest(1) != digest(2))
  }

  /// The weights and what is stored of the start state, and nothing else.
  @Test(arguments: UInt64(0)..<20)
  func whatTheModelStoresIsLearned(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let configuration = Configuration.random(&random)
    let parameters = try ParameterVector(zerosFor: configuration)
    let learned = parameters.learned(configuration)
    let stored = Set(try Model(configuration, random: &random).tensors.map(\.name))
    for tensor in parameters.layout.tensors where tensor.count > 0 {
      for index in [tensor.offset, tensor.offset + tensor.count - 1] {
        #expect(
          learned.contains { $0.contains(index) } == stored.contains(tensor.name), "\(tensor.name)")
      }
    }
    for range in learned {
      #expect(range.lowerBound % Kernels.lanes == 0 && range.count % Kernels.lanes == 0)
    }
    for (range, next) in zip(learned, learned.dropFirst()) {
      #expect(range.upperBound < next.lowerBound)
    }
  }

  /// Constants of the start state stay what the configuration says.
  @Test func trainingKeepsConstants() throws {
    let setup = TrainingSetup.tiny().with {
      $0.configuration.start.memory = .constant(0.25)
      $0.configuration.start.cell = .constant(-0.5)
    }
    let trainer = try Trainer(setup, threads: 1)
    let before = try trainer.model().makeState()
    try trainer.run()
    let state = try trainer.model().makeState()
    state.forEachMemoryRow { _, row in #expect(row.allSatisfy { $0 == 0.25 }) }
    #expect(state.cell(layer: 0).allSatisfy { $0 == -0.5 })
    #expect(Array(state.hidden(layer: 0)) != Array(before.hidden(layer: 0)))
    #expect(Array(state.read(0)) != Array(before.read(0)))
  }
}
