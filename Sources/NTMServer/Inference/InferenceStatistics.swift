/// How many inferences a model has made by the Open Inference Protocol, and how long that took, in
/// nanoseconds (Triton's statistics extension).
final class InferenceStatistics: Sendable {
  /// How long one request took.
  struct Durations {
    var queue: UInt64 = 0
    var input: UInt64 = 0
    var inference: UInt64 = 0
    var output: UInt64 = 0
  }

  private struct Totals {
    /// Milliseconds since 1970.
    var last: Int64 = 0
    var steps = 0
    var success = Duration()
    var failure = Duration()
    var queue = Duration()
    var input = Duration()
    var inference = Duration()
    var output = Duration()
  }

  private struct Duration: Encodable {
    var count = 0
    var ns: UInt64 = 0

    mutating func add(_ nanoseconds: UInt64) {
      count += 1
      ns += nanoseconds
    }
  }

  private let totals = Lock(Totals())

  func succeeded(steps: Int, _ durations: Durations) {
    totals.withLock { totals in
      totals.last = Timestamp.now.milliseconds
      totals.steps += steps
      totals.success.add(
        durations.queue + durations.input + durations.inference + durations.output)
      totals.queue.add(durations.queue)
      totals.input.add(durations.input)
      totals.inference.add(durations.inference)
      totals.output.add(durations.output)
    }
  }

  func failed(after nanoseconds: UInt64) { totals.withLock { $0.failure.add(nanoseconds) } }

  /// As `GET /v2/models/{name}/stats` says it.
  func report(_ model: ServedModel) -> some Encodable {
    let totals = totals.withLock { $0 }
    return Statistics(
      name: model.name, version: model.version, lastInference: totals.last,
      inferenceCount: totals.steps, executionCount: totals.success.count,
      inferenceStats: Parts(
        success: totals.success, fail: totals.failure, queue: totals.queue,
        computeInput: totals.input, computeInfer: totals.inference, computeOutput: totals.output,
        cacheHit: Duration(), cacheMiss: Duration()), batchStats: [])
  }

  private struct Statistics: Encodable {
    let name: String
    let version: String
    let lastInference: Int64
    /// Steps.
    let inferenceCount: Int
    /// Requests that took them.
    let executionCount: Int
    let inferenceStats: Parts
    /// Steps of sequences are not batched.
    let batchStats: [Int]
  }

  private struct Parts: Encodable {
    let success, fail, queue, computeInput, computeInfer, computeOutput, cacheHit,
      cacheMiss: Duration
  }
}
