/// Where a run stood at the end of an interval: a line of its CSV, a point of its learning curve.
public struct TrainingRecord: Codable, Equatable, Sendable {
  /// Sequences trained on so far.
  public var sequences: Int
  /// Seconds of training so far.
  public var seconds: Double
  /// Mean loss of a training sequence over the interval.
  public var trainingLoss: Double
  /// Mean norm of the gradient over the interval, before any clip.
  public var gradientNorm: Double
  public var rate: Double
  /// Mean loss of a validation sequence at training lengths.
  public var validationLoss: Double
  /// Values that round to something else than their target, as a part of all.
  public var wrong: Double
  /// Mean loss of a validation sequence beyond the training lengths; nil where none is drawn.
  public var beyondLoss: Double?
  /// Updates that were skipped so far.
  public var skipped: Int
  /// Times that the run fell back to its best so far.
  public var fallbacks: Int

  /// What the best model has least of: the geometric mean of both validation losses, because they
  /// differ by orders of magnitude, and halving either is as good as halving the other.
  var score: Double {
    let floor = Self.negligible
    guard let beyondLoss else { return validationLoss }
    return ((validationLoss + floor) * (beyondLoss + floor)).squareRoot()
  }

  /// A loss of a sequence that makes no difference any more.
  private static let negligible = 0.01

  /// The names of the columns.
  public static let csvHeader =
    "sequences,seconds,training_loss,gradient_norm,rate,validation_loss,wrong,beyond_loss,skipped,"
    + "fallbacks"

  public var csv: String {
    let fields: [String] = [
      "\(sequences)", "\(seconds)", "\(trainingLoss)", "\(gradientNorm)", "\(rate)",
      "\(validationLoss)", "\(wrong)", beyondLoss.map { "\($0)" } ?? "", "\(skipped)",
      "\(fallbacks)",
    ]
    return fields.joined(separator: ",")
  }
}
