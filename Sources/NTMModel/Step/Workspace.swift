/// What a step needs beside the model and the state, and what it leaves for the caller to read: the
/// output and the heads' parameters. Made once per thread and model, used for any of its states.
///
/// Sendable: it owns its memory, and Swift lets one thread at a time mutate it.
public struct Workspace: ~Copyable, @unchecked Sendable {
  /// The model that it was made for.
  let owner: ObjectIdentifier

  /// The state that a step builds; it changes places with the caller's when the step succeeds, so
  /// that a step which fails has touched nothing. Its memory is not used where `isInPlace`.
  var next: State
  /// The step that is being taken cannot be refused any more, and has written its memory over the one
  /// before it.
  var isInPlace = false
  /// The next step goes through the weights from their end.
  var goesBackwards = false

  /// What heads that are computed together read and write.
  let headReads: UnsafeMutablePointer<HeadRead>
  let headWrites: UnsafeMutablePointer<HeadWrite>
  /// Of each head, where its key is, and its similarities go.
  let keys: UnsafeMutablePointer<UnsafePointer<Float>?>
  let dots: UnsafeMutablePointer<UnsafeMutablePointer<Float>?>

  private let buffer: AlignedBuffer<Float>
  private let parts: Parts

  private struct Parts: Sendable {
    var controllerInput = 0, gates = 0, rawParameters = 0, parameters = 0, similarities = 0,
      squares = 0, keySquares = 0, shifted = 0, sums = 0
    var outputInput = 0, logits = 0, output = 0, noErase = 0
    var logitCount = 0
    var hiddenCount = 0
    var parameterCount = 0
  }

  init(
    owner: ObjectIdentifier, configuration: Configuration, weights: borrowing Weights,
    layout: StateLayout
  ) throws(AllocationError) {
    var end = 0
    func take(_ count: Int) -> Int {
      defer { end += Kernels.padded(count) }
      return end
    }
    var parts = Parts()
    let map = weights.layout
    let rows = configuration.memory.rows
    parts.controllerInput = take(map.controller.map(\.inputs).max() ?? 0)
    parts.gates = take(map.controller.map(\.outputs).max() ?? 0)
    parts.rawParameters = take(map.heads.outputs)
    parts.parameters = take(map.heads.outputs)
    let heads = configuration.heads.count
    parts.similarities = take(heads * Kernels.padded(rows))
    parts.squares = take(rows)
    parts.keySquares = take(heads)
    parts.shifted = take(rows)
    parts.sums = take(configuration.readCount * configuration.memory.columns * Kernels.lanes)
    parts.outputInput = take(map.output.inputs)
    parts.logits = take(map.output.outputs)
    parts.output = take(map.output.outputs)
    parts.noErase = take(configuration.memory.columns)
    parts.logitCount = map.output.outputs
    parts.hiddenCount = configuration.controller.units
    parts.parameterCount = map.heads.outputs
    let buffer = try AlignedBuffer<Float>(zeros: end)
    let next = try State(layout: layout)
    self.owner = owner
    self.parts = parts
    self.buffer = buffer
    self.next = next
    headReads = .allocate(capacity: heads)
    headWrites = .allocate(capacity: heads)
    keys = .allocate(capacity: heads)
    dots = .allocate(capacity: heads)
  }

  deinit {
    headReads.deallocate()
    headWrites.deallocate()
    keys.deallocate()
    dots.deallocate()
  }

  // MARK: What a step leaves

  /// The output of the last step, valid until the next.
  public var output: UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(start: outputPointer, count: parts.logitCount)
  }

  /// The output after its clip and before its activation, valid until the next step.
  public var logits: UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(start: logitsPointer, count: parts.logitCount)
  }

  /// h_t of the controller's last layer, valid until the next step.
  public var hidden: UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(start: outputInput, count: parts.hiddenCount)
  }

  /// The heads' linear output before clip and activations, all heads one after another, valid until
  /// the next step.
  public var rawHeadParameters: UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(start: rawParameters, count: parts.parameterCount)
  }

  // MARK: Scratch

  /// [x_t, r_{t−1}…, h_{t−1}] of the layer that is being computed.
  var controllerInput: UnsafeMutablePointer<Float> { buffer.base + parts.controllerInput }
  var gates: UnsafeMutablePointer<Float> { buffer.base + parts.gates }
  var rawParameters: UnsafeMutablePointer<Float> { buffer.base + parts.rawParameters }
  var parameters: UnsafeMutablePointer<Float> { buffer.base + parts.parameters }
  /// k · M(i) of each head
  var similarities: UnsafeMutablePointer<Float> { buffer.base + parts.similarities }
  /// |M(i)|²
  var squares: UnsafeMutablePointer<Float> { buffer.base + parts.squares }
  /// |k|² of each head
  var keySquares: UnsafeMutablePointer<Float> { buffer.base + parts.keySquares }
  /// Room for what is read.
  var sums: UnsafeMutablePointer<Float> { buffer.base + parts.sums }
  var shifted: UnsafeMutablePointer<Float> { buffer.base + parts.shifted }
  /// [h_t, r_t…]
  var outputInput: UnsafeMutablePointer<Float> { buffer.base + parts.outputInput }
  var logitsPointer: UnsafeMutablePointer<Float> { buffer.base + parts.logits }
  var outputPointer: UnsafeMutablePointer<Float> { buffer.base + parts.output }
  /// M zeros, for dialects without erase.
  var noErase: UnsafePointer<Float> { UnsafePointer(buffer.base + parts.noErase) }
}
