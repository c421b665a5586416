import NTMModel

/// All that changes in a run: what a checkpoint holds.
struct TrainingState {
  var progress = Progress()
  /// The parameters as they are, their optimiser's moments beside them in `Trainer`.
  var parameters: ParameterVector
  var best: Snapshot?

  /// A state that does not change with this one.
  func copy() throws(AllocationError) -> TrainingState {
    var copy = self
    copy.parameters = try parameters.copy()
    return copy
  }

  /// Everything but the parameters and moments.
  struct Progress: Codable, Equatable {
    var sequences = 0
    var seconds = 0.0
    var generator: UInt64 = 0
    /// The optimiser's updates, since which its moments decay.
    var updates = 0
    var skipped = 0
    var fallbacks = 0
    /// Skipped updates without one that was not.
    var skippedInARow = 0
    /// Halved at each fallback.
    var rateScale = 1.0
    /// Of the interval that has begun.
    var lossSum = 0.0
    var normSum = 0.0
    var intervalUpdates = 0
    var history: [TrainingRecord] = []
    var bestRecord: TrainingRecord?
    var bestUpdates = 0

    /// Whether a run can go on from here.
    var isPossible: Bool {
      let counts = [
        sequences, updates, skipped, fallbacks, skippedInARow, intervalUpdates, bestUpdates,
      ]
      return counts.allSatisfy { 0...(1 << 52) ~= $0 } && seconds.isFinite && seconds >= 0
        && rateScale > 0 && rateScale <= 1
    }
  }

  /// The parameters and moments of the best validation so far.
  struct Snapshot {
    var parameters: [Float]
    var moments: [Float]
  }
}
