@testable import NTMTraining

extension EvaluationSet {
  /// One of its sequences.
  func draw(_ generator: inout RandomGenerator) -> Episode {
    var one = self
    one.sequences = 1
    return one.episodes(using: &generator)[0]
  }
}
