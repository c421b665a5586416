#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

extension Trainer {
  /// The run as the JSON that a model file holds as `training`.
  ///
  /// - Parameter evaluation: what the best model reaches, where it has been measured
  public func summary(evaluation: EvaluationReport?) throws -> String {
    var evaluation = evaluation
    evaluation?.hasSizes = false
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    encoder.keyEncodingStrategy = .convertToSnakeCase
    let summary = Summary(
      taskSettings: AnyTask(task: task), options: options, sequences: sequences,
      seconds: seconds.rounded(), best: best, skipped: skipped, fallbacks: fallbacks,
      evaluation: evaluation)
    return String(decoding: try encoder.encode(summary), as: UTF8.self)
  }
}

private struct Summary: Encodable {
  let taskSettings: AnyTask
  let options: TrainingOptions
  /// Trained on so far.
  let sequences: Int
  let seconds: Double
  let best: TrainingRecord?
  let skipped: Int
  let fallbacks: Int
  let evaluation: EvaluationReport?
}

private struct AnyTask: Encodable {
  let task: any TrainingTask
  func encode(to encoder: any Encoder) throws { try task.encode(to: encoder) }
}
