import Foundation
import NTMModel
import NTMTestSupport
import Testing

@testable import NTMTraining

/// Learned start weightings, which are trained as the logits of a softmax.
struct StartWeightingsTests {
  /// Rows that are not a whole number of vectors, and ones that are.
  private static let rowCounts = [1, 2, 8, 17]

  private static func configuration(rows: Int) -> Configuration {
    var configuration = TrainingSetup.tiny().configuration
    configuration.memory.rows = rows
    configuration.heads = [.read, .write, .write]
    return configuration
  }

  private static func softmax(_ logits: [Double]) -> [Double] {
    let powers = logits.map { exp($0) }
    return powers.map { $0 / powers.reduce(0, +) }
  }

  @Test(arguments: rowCounts)
  func areTheSoftmaxOfWhatIsTrained(_ rows: Int) throws {
    var random = SplitMix64(seed: 1)
    let configuration = Self.configuration(rows: rows)
    let trained = try ParameterVector(zerosFor: configuration)
    for index in 0..<trained.layout.count { trained.values[index] = random.values(1, within: 3)[0] }
    let model = try ParameterVector(zerosFor: configuration)
    trained.realize(configuration, into: model)
    let first = trained.layout.startWeightings
    for head in 0..<3 {
      let places = (0..<rows).map { first + head * rows + $0 }
      let expected = Self.softmax(places.map { Double(trained.values[$0]) })
      for (place, weight) in zip(places, expected) {
        expectClose(Double(model.values[place]), weight, within: 1e-6)
      }
    }
    // All else is as it is trained.
    for index in 0..<trained.layout.count where !(first..<first + 3 * rows).contains(index) {
      #expect(model.values[index] == trained.values[index])
    }
  }

  @Test(arguments: rowCounts)
  func theirGradientAgreesWithCentralDifferences(_ rows: Int) throws {
    var random = SplitMix64(seed: 2)
    let configuration = Self.configuration(rows: rows)
    let trained = try ParameterVector(zerosFor: configuration)
    let gradient = try ParameterVector(zerosFor: configuration)
    for index in 0..<trained.layout.count {
      trained.values[index] = random.values(1, within: 2)[0]
      gradient.values[index] = random.values(1, within: 1)[0]
    }
    let slopes = (0..<trained.layout.count).map { gradient.values[$0] }
    let model = try ParameterVector(zerosFor: configuration)
    trained.realize(configuration, into: model)
    gradient.unrealize(configuration, model)

    let first = trained.layout.startWeightings
    for head in 0..<3 {
      let places = (0..<rows).map { first + head * rows + $0 }
      let logits = places.map { Double(trained.values[$0]) }
      func loss(_ logits: [Double]) -> Double {
        zip(Self.softmax(logits), places).reduce(0) { $0 + $1.0 * Double(slopes[$1.1]) }
      }
      for row in 0..<rows {
        var (above, below) = (logits, logits)
        above[row] += 1e-5
        below[row] -= 1e-5
        let expected = (loss(above) - loss(below)) / 2e-5
        expectClose(Double(gradient.values[places[row]]), expected, within: 1e-6)
      }
    }
    for index in 0..<trained.layout.count where !(first..<first + 3 * rows).contains(index) {
      #expect(gradient.values[index] == slopes[index])
    }
  }

  /// Constants of the configuration are neither weightings nor trained.
  @Test func constantsAreLeftAlone() throws {
    var configuration = Self.configuration(rows: 8)
    configuration.start.weightings = .constant(0)
    let vector = try ParameterVector(zerosFor: configuration)
    for index in 0..<vector.layout.count { vector.values[index] = Float(index) }
    let model = try ParameterVector(zerosFor: configuration)
    vector.realize(configuration, into: model)
    for index in 0..<vector.layout.count { #expect(model.values[index] == Float(index)) }
    vector.unrealize(configuration, model)
    for index in 0..<vector.layout.count { #expect(vector.values[index] == Float(index)) }
  }

  /// A logit that is far above the others does not overflow.
  @Test func largeLogitsStayWeightings() throws {
    let configuration = Self.configuration(rows: 8)
    let trained = try ParameterVector(zerosFor: configuration)
    trained.values[trained.layout.startWeightings + 3] = 1000
    trained.values[trained.layout.startWeightings + 8] = -1000
    let model = try ParameterVector(zerosFor: configuration)
    trained.realize(configuration, into: model)
    let weights = model.values + model.layout.startWeightings
    #expect((0..<8).map { weights[$0] } == [0, 0, 0, 1, 0, 0, 0, 0])
    #expect(weights[8] == 0)
    expectClose(Double(weights[9]), 1 / 7, within: 1e-6)
  }

  @Test func aModelStartsFromWeightings() throws {
    let setup = TrainingSetup.tiny().with { $0.configuration = Self.configuration(rows: 8) }
    let trainer = try Trainer(setup, threads: 1)
    func weightings() throws -> [[Float]] {
      let state = try trainer.model().makeState()
      return (0..<3).map { Array(state.weighting($0)) }
    }
    let before = try weightings()
    for weighting in before {
      // About nine tenths on the first row, the rest almost evenly on the others.
      expectClose(Double(weighting[0]), 0.9, within: 0.005)
      for weight in weighting.dropFirst() { expectClose(Double(weight), 0.1 / 7, within: 0.001) }
    }
    try trainer.run()
    let after = try weightings()
    #expect(after != before)
    for weighting in after {
      #expect(weighting.allSatisfy { $0 >= 0 })
      expectClose(weighting.reduce(0) { $0 + Double($1) }, 1, within: 1e-6)
    }
  }
}
