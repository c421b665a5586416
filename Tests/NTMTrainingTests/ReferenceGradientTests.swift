import Foundation
import NTMModel
import NTMTestSupport
import Testing

@testable import NTMTraining

/// The gradients that PyTorch's autograd computed in float64 are reproduced in float32.
struct ReferenceGradientTests {
  struct Case: Decodable {
    let model: String
    let loss: Double
    let gradients: String
    let x: [[Float]]
    let target: [[Float]]
    let stepWeight: [Float]

    private enum CodingKeys: String, CodingKey {
      case model, loss, gradients, x, target
      case stepWeight = "step_weight"
    }
  }

  static let files = ReferenceFile.all { $0.hasSuffix(".grad.json") }

  @Test(arguments: files)
  func reproduces(_ file: ReferenceFile) throws {
    let folder = file.folder
    let given = try JSONDecoder().decode(
      Case.self, from: Data(contentsOf: URL(filePath: file.path)))
    let model = try WeightImport.model(from: SafeTensorsFile(path: "\(folder)/\(given.model)"))
      .model
    let expectedName = given.gradients.prefix { $0 != " " }
    let expected = try SafeTensorsFile(path: "\(folder)/\(expectedName)")

    let tape = try Tape(model.configuration, steps: given.x.count, batch: 1)
    let parameters = try ParameterVector(model)
    ForwardPass(tape: tape, parameters: parameters.values).run(given.x.flatMap { $0 })
    var loss = 0.0
    var dLogits: [Float] = []
    for (step, target) in given.target.enumerated() {
      for (index, t) in target.enumerated() {
        let z = tape.logits(step)[index]
        let y = 1 / (1 + exp(-z))
        let weight = given.stepWeight[step]
        loss += Double(weight) * Double(max(z, 0) - z * t + log1p(exp(-abs(z))))
        dLogits.append(weight * (y - t))
      }
    }
    let gradients = try ParameterVector(zerosFor: model.configuration)
    try BackwardPass(tape).run(parameters.values, dLogits: dLogits, into: gradients.values)
    #expect(abs(loss - given.loss) < 1e-5 * given.loss)
    let pairs = try PyTorchGradients(expected, model.configuration).pairs
    for (name, values) in pairs {
      let tensor = try #require(tape.layout.tensors.first { $0.name == name })
      let got = (0..<tensor.count).map { gradients.values[tensor.offset + $0] }
      let largest = values.map(abs).max() ?? 0
      let worst = zip(got, values).map { abs($0 - $1) }.max() ?? .infinity
      #expect(got.count == values.count)
      #expect(worst <= 1e-4 * largest, "\(name): \(worst / largest)")
    }
  }
}

/// pytorch-ntm's gradients under the names and in the order of a model file.
struct PyTorchGradients {
  var pairs: [(String, [Float])] = []

  init(_ file: SafeTensorsFile, _ configuration: Configuration) throws {
    let lstm = "ntm.controller.lstm"
    for layer in 0..<configuration.controller.layers {
      let input = try rows(file, "\(lstm).weight_ih_l\(layer)")
      let recurrent = try rows(file, "\(lstm).weight_hh_l\(layer)")
      pairs.append(("controller.\(layer).weight", zip(input, recurrent).flatMap { $0 + $1 }))
      pairs.append(("controller.\(layer).bias", try file.values("\(lstm).bias_ih_l\(layer)")))
    }
    let names = configuration.heads.enumerated().map { "ntm.heads.\($0).fc_\($1.rawValue)" }
    pairs.append(("heads.weight", try names.flatMap { try file.values("\($0).weight") }))
    pairs.append(("heads.bias", try names.flatMap { try file.values("\($0).bias") }))
    pairs.append(("output.weight", try file.values("ntm.fc.weight")))
    pairs.append(("output.bias", try file.values("ntm.fc.bias")))
    pairs.append(("start.memory", try file.values("memory.mem_bias")))
    pairs.append(
      (
        "start.reads",
        try (0..<configuration.readCount).flatMap { try file.values("ntm.read\($0)_bias") }
      ))
    pairs.append(("start.hidden", try file.values("ntm.controller.lstm_h_bias")))
    pairs.append(("start.cell", try file.values("ntm.controller.lstm_c_bias")))
  }

  private func rows(_ file: SafeTensorsFile, _ name: String) throws -> [[Float]] {
    let values = try file.values(name)
    let columns = try #require(file.header[name]?.shape.last)
    return stride(from: 0, to: values.count, by: columns).map { Array(values[$0..<$0 + columns]) }
  }
}
