import Foundation
import NTMModel
import Testing

@testable import NTMTraining

/// The models that are shipped still do what `Models/README.md` says of them.
struct ShippedModelTests {
  private static let folder = URL(filePath: #filePath)
    .deletingLastPathComponent().appending(path: "../../../Models").standardized.path

  @Test(arguments: [
    (name: "copy", wrongPart: 0.0, aboveOptimal: 0.1),
    (name: "repeat-copy", wrongPart: 0, aboveOptimal: 0.1),
    (name: "associative-recall", wrongPart: 0, aboveOptimal: 0.1),
    (name: "ngrams", wrongPart: 0.5, aboveOptimal: 4),
  ])
  func doesItsTask(_ expected: (name: String, wrongPart: Double, aboveOptimal: Double)) throws {
    let file = try ModelFile.load("\(Self.folder)/\(expected.name).safetensors")
    #expect(file.description.task == expected.name)
    let task = try TaskKind.decode(
      name: file.description.task, training: file.description.training)
    let report = try EvaluationReport(file.model, task, seed: 20, sequences: 25, threads: 2)
    let total = try #require(report.sets.first).evaluation.total
    #expect(total.wrongPart <= expected.wrongPart)
    #expect(
      total.lossPerSequence - (total.optimalPerSequence ?? 0) <= expected.aboveOptimal)
  }
}
