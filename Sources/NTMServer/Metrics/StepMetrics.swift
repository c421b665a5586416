/// The steps of all models of one name. Versions that follow one another share it, so that a counter
/// never goes back.
final class StepMetrics: Sendable {
  private let taken = CounterCells(count: 1)
  private let durations = Histogram(bounds: StepMetrics.bounds)

  /// From the smallest model's step to that of a memory of a million rows.
  private static let bounds = Histogram.bounds(from: 1000, to: 100_000_000)

  /// A step was computed.
  func computed(nanoseconds: UInt64) { durations.observe(nanoseconds) }

  /// Sessions have taken steps.
  func took(_ steps: Int) { taken.add(steps) }

  var stepCount: Int { taken.total() }

  /// Writes a family with a series for each model.
  static func write(_ all: [(model: String, metrics: StepMetrics)], to text: inout MetricsText) {
    text.family("ntm_steps_total", .counter, "Steps taken.")
    for (model, metrics) in all {
      text.sample("ntm_steps_total", ["model": model], value: metrics.stepCount)
    }
    let name = "ntm_step_duration_seconds"
    text.family(
      name, .histogram,
      "Time to compute a step, without JSON and HTTP; also of those that a refusal took back.")
    for (model, metrics) in all {
      text.histogram(name, ("model", model), metrics.durations)
    }
  }
}
