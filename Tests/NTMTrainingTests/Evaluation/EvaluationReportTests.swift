import Foundation
import NTMModel
import NTMTestSupport
import Testing

@testable import NTMTraining

/// A model's figures as JSON.
struct EvaluationReportTests {
  private static func model(
    _ task: any TrainingTask, _ change: (inout Configuration) -> Void = { _ in }
  ) throws -> Model {
    var random = SplitMix64(seed: 1)
    var configuration = TrainingSetup.tiny(task).configuration
    change(&configuration)
    return try Model(configuration, random: &random)
  }

  private static func json(_ report: EvaluationReport) throws -> [String: Any] {
    let data = try JSONEncoder().encode(report)
    return try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  private static let fields: Set = [
    "sequences", "bits_per_sequence", "wrong_bits", "bits", "perfect_sequences",
  ]

  @Test func hasTheFiguresOfEverySet() throws {
    let model = try Self.model(Copy.tiny)
    let report = try EvaluationReport(model, Copy.tiny, seed: 3, sequences: 9, threads: 2)
    let json = try Self.json(report)
    #expect(Set(json.keys) == ["task", "loss", "seed", "sets"])
    #expect(json["task"] as? String == "copy")
    #expect(json["loss"] as? String == "cross_entropy")
    #expect(json["seed"] as? Int == 3)
    let sets = try #require(json["sets"] as? [[String: Any]])
    #expect(
      sets.map { $0["name"] as? String }
        == ["training lengths", "length 4", "length 8", "length 12"])
    for (set, expected) in zip(sets, report.sets.map(\.evaluation)) {
      #expect(Set(set.keys) == Self.fields.union(["name", "by_length"]))
      expect(set, expected.total)
      #expect(expected.total.sequences == 9)
      let sizes = try #require(set["by_length"] as? [[String: Any]])
      #expect(sizes.compactMap { $0["length"] as? Int } == expected.bySize.keys.sorted())
      for size in sizes {
        #expect(Set(size.keys) == Self.fields.union(["length"]))
        expect(size, expected.bySize[size["length"] as? Int ?? 0] ?? Evaluation.Tally())
      }
    }
  }

  private func expect(_ fields: [String: Any], _ tally: Evaluation.Tally) {
    #expect(fields["sequences"] as? Int == tally.sequences)
    expectClose(
      fields["bits_per_sequence"] as? Double ?? .nan, tally.loss / Double(tally.sequences),
      within: 1e-12)
    #expect(fields["wrong_bits"] as? Int == tally.wrong)
    #expect(fields["bits"] as? Int == tally.values)
    #expect(fields["perfect_sequences"] as? Int == tally.perfect)
  }

  @Test func hasTheOptimumWhereItIsKnown() throws {
    var task = DynamicNGrams()
    task.length = 12
    let report = try EvaluationReport(Self.model(task), task, sequences: 3, threads: 1)
    let sets = try #require(try Self.json(report)["sets"] as? [[String: Any]])
    #expect(sets.count == 1)
    let optimal = try #require(sets[0]["optimal_bits_per_sequence"] as? Double)
    // Seven bits that count, of which the first of each context is worth one whole bit.
    #expect(optimal > 3 && optimal < 15)
  }

  @Test func otherLossesAreSquaredErrors() throws {
    let model = try Self.model(Copy.tiny) { $0.dialect.output.activation = .tanh }
    let json = try Self.json(EvaluationReport(model, Copy.tiny, sequences: 1, threads: 1))
    #expect(json["loss"] as? String == "squared_error")
    let set = try #require((json["sets"] as? [[String: Any]])?.first)
    #expect(set["squared_error_per_sequence"] is Double)
    #expect(set["bits_per_sequence"] == nil)
  }

  @Test func anInfiniteLossIsNull() throws {
    // Its controller gives infinity at the first step.
    let model = try Self.model(Copy.tiny) {
      $0.controller = Controller(kind: .feedForward(activation: .exp), units: 8)
    }
    let tensors = Dictionary(uniqueKeysWithValues: model.tensors.map { ($0.name, $0.values) })
    let broken = try Model(model.configuration) { name, _, range, values in
      for index in range {
        values[index - range.lowerBound] =
          name == "controller.0.bias" ? 1000 : tensors[name]![index]
      }
    }
    let report = try EvaluationReport(broken, Copy.tiny, sequences: 2, threads: 1)
    #expect(report.sets[0].evaluation.total.loss == .infinity)
    let set = try #require((try Self.json(report)["sets"] as? [[String: Any]])?.first)
    #expect(set["bits_per_sequence"] is NSNull)
    #expect(set["wrong_bits"] as? Int == set["bits"] as? Int)
    #expect(set["perfect_sequences"] as? Int == 0)
  }

  @Test func theSeedChoosesTheSequences() throws {
    let model = try Self.model(Copy.tiny)
    func losses(seed: UInt64, threads: Int) throws -> [Double] {
      try EvaluationReport(model, Copy.tiny, seed: seed, sequences: 5, threads: threads)
        .sets.map(\.evaluation.total.loss)
    }
    #expect(try losses(seed: 1, threads: 1) == losses(seed: 1, threads: 3))
    #expect(try losses(seed: 1, threads: 1) != losses(seed: 2, threads: 1))
  }

  /// Without a number, as many as the task says.
  @Test func theTaskSaysHowManySequences() throws {
    var task = Copy.tiny
    task.length = Sizes(1...1)
    let report = try EvaluationReport(Self.model(task), task, threads: 2)
    #expect(report.sets.map(\.evaluation.total.sequences) == [200, 50, 50, 50])
  }
}
