import NTMModel

/// The loss of a batch of sequences and its gradient, computed by several threads. The batch is cut
/// into shares of a fixed size, which are added in one order, so that the result does not depend on
/// how many threads there are or which was faster.
final class BatchGradient {
  private let shares: [Share]
  private let threads: Int

  /// Sequences of a share: enough for products of matrices, few enough for the caches.
  private static let shareSize = 8

  /// - Parameters:
  ///   - steps: of the longest sequence
  ///   - batch: sequences of one call
  ///   - threads: at most so many
  init(_ configuration: Configuration, steps: Int, batch: Int, threads: Int) throws {
    BLAS.prepare()
    let count = (batch + Self.shareSize - 1) / Self.shareSize
    shares = try (0..<count).map { index in
      try Share(
        configuration, steps: steps, batch: (index + 1) * batch / count - index * batch / count)
    }
    self.threads = max(1, min(threads, count))
  }

  /// - Parameters:
  ///   - episodes: of one length, as many as the batch
  ///   - gradient: becomes that of the mean loss of a sequence
  /// - Returns: the mean loss of a sequence
  func run(
    _ episodes: [Episode], _ parameters: ParameterVector, into gradient: ParameterVector
  ) -> Double {
    let scale = 1 / Float(episodes.count)
    var first = 0
    let parts = shares.map { share in
      defer { first += share.batch }
      return episodes[first..<first + share.batch]
    }
    let (shares, threads) = (shares, threads)
    Parallel.perform(threads) { thread in
      for index in stride(from: thread, to: shares.count, by: threads) {
        shares[index].run(parts[index], parameters, scale: scale)
      }
    }
    gradient.values.update(from: shares[0].gradient.values, count: gradient.layout.count)
    for share in shares.dropFirst() {
      Kernels.best.accumulate(
        gradient.values, share.gradient.values, scale: 1, count: gradient.layout.count)
    }
    return shares.reduce(0) { $0 + $1.loss } / Double(episodes.count)
  }
}

/// A share of a batch.
///
/// `@unchecked Sendable`: between the start and the end of a call, one thread has it.
private final class Share: @unchecked Sendable {
  let gradient: ParameterVector
  private(set) var loss = 0.0

  private let tape: Tape
  private let backward: BackwardPass
  private let lossFunction: Loss
  private let inputs: AlignedBuffer<Float>
  private let dLogits: AlignedBuffer<Float>
  /// One step's logits after their clip, outputs and slopes, for one sequence.
  private let scratch: AlignedBuffer<Float>

  init(_ configuration: Configuration, steps: Int, batch: Int) throws(AllocationError) {
    tape = try Tape(configuration, steps: steps, batch: batch)
    backward = try BackwardPass(tape)
    gradient = try ParameterVector(zerosFor: configuration)
    lossFunction = Loss(configuration.dialect.output)
    inputs = try AlignedBuffer(zeros: steps * batch * configuration.inputSize)
    dLogits = try AlignedBuffer(zeros: steps * batch * configuration.outputSize)
    scratch = try AlignedBuffer(zeros: 3 * Kernels.padded(configuration.outputSize))
  }

  var batch: Int { tape.batch }

  /// - Parameter scale: of the gradient
  func run(_ episodes: ArraySlice<Episode>, _ parameters: ParameterVector, scale: Float) {
    tape.steps = episodes.first?.steps ?? 0
    place(episodes)
    ForwardPass(tape: tape, parameters: parameters.values).run(inputs.base)
    loss = 0
    for (sequence, episode) in episodes.enumerated() {
      for step in 0..<tape.steps {
        judge(step, sequence, episode.targets[step], episode.mask[step], scale: scale)
      }
    }
    gradient.values.update(repeating: 0, count: gradient.layout.count)
    backward.run(parameters.values, dLogits: dLogits.base, into: gradient.values)
  }

  private func place(_ episodes: ArraySlice<Episode>) {
    let size = tape.configuration.inputSize
    for (sequence, episode) in episodes.enumerated() {
      for (step, input) in episode.inputs.enumerated() {
        input.withUnsafeBufferPointer { values in
          (inputs.base + (step * batch + sequence) * size)
            .update(from: values.baseAddress!, count: size)
        }
      }
    }
  }

  /// Adds one step's loss, and sets the gradient of its logits.
  private func judge(
    _ step: Int, _ sequence: Int, _ targets: [Float], _ weight: Float, scale: Float
  ) {
    let output = tape.configuration.dialect.output
    let size = tape.configuration.outputSize
    let slopes = dLogits.base + (step * batch + sequence) * size
    guard weight != 0 else { return slopes.update(repeating: 0, count: size) }
    let raw = tape.logits(step, sequence)
    let logits = scratch.base
    let outputs = logits + Kernels.padded(size)
    let dOutputs = outputs + Kernels.padded(size)
    logits.update(from: raw, count: size)
    if let clip = output.clip { MemoryStep.clip(logits, count: size, to: clip) }
    tape.kernels.apply(output.activation, logits, outputs, count: size)
    for index in 0..<size {
      let target = targets[index]
      loss +=
        Double(weight)
        * lossFunction.value(logit: logits[index], output: outputs[index], target: target)
      dOutputs[index] =
        weight * scale * lossFunction.slope(output: outputs[index], target: target)
    }
    switch lossFunction {
    case .crossEntropy: slopes.update(from: dOutputs, count: size)
    case .squaredError:
      tape.kernels.applyGradient(
        output.activation, logits, outputs, dOutputs, slopes, count: size)
    }
    if let clip = output.clip {
      for index in 0..<size where abs(raw[index]) > clip { slopes[index] = 0 }
    }
  }
}
