/// A trained Neural Turing Machine (Graves, Wayne and Danihelka 2014, arXiv 1410.5401): immutable,
/// shared by all sessions and threads. What changes from step to step is a `State`.
///
///     let model = try ModelFile.load("copy.safetensors").model
///     var state = try model.makeState()
///     var workspace = try model.makeWorkspace()
///     try model.step(input.span, state: &state, workspace: &workspace)
///     use(workspace.output, state.weighting(0))
public final class Model: Sendable {
  public let configuration: Configuration
  public let stateLayout: StateLayout

  let weights: Weights
  let start: State
  private let controller: ControllerStep
  let memory: MemoryStep
  private let kernels: Kernels

  /// - Parameters:
  ///   - configuration: a valid one
  ///   - weights: laid out for it
  ///   - start: the state before a session's first step
  init(
    configuration: Configuration, weights: consuming Weights, start: consuming State,
    kernels: Kernels = .best
  ) {
    BLAS.prepare()
    self.configuration = configuration
    self.kernels = kernels
    stateLayout = start.layout
    controller = ControllerStep(configuration: configuration, kernels: kernels)
    memory = MemoryStep(configuration, kernels: kernels)
    self.weights = weights
    self.start = start
  }

  /// Trained values, without the start state.
  public var parameterCount: Int { weights.layout.tensors.reduce(0) { $0 + $1.count } }

  /// A state as it is before the first step.
  public func makeState() throws(AllocationError) -> State { try start.copy() }

  /// Brings a state of this model back to the start.
  public func reset(_ state: inout State) { state.assign(start) }

  /// Room for one thread to step states of this model.
  public func makeWorkspace() throws(AllocationError) -> Workspace {
    try Workspace(
      owner: ObjectIdentifier(self), configuration: configuration, weights: weights,
      layout: stateLayout)
  }

  /// Advances a state by one input: the whole of the paper's section 3. Allocates nothing.
  ///
  /// - Parameters:
  ///   - input: x_t, `configuration.inputSize` finite values
  ///   - state: becomes the state after the step
  ///   - workspace: of this model; afterwards its `output` and head parameters are this step's
  /// - Throws: `StepError` where the input has a wrong size or a value that is not finite, or where
  ///   the step would produce such a value; the state is then what it was, bit for bit.
  public func step(
    _ input: borrowing Span<Float>, state: inout State, workspace: inout Workspace
  ) throws(StepError) {
    precondition(
      state.layout == stateLayout && workspace.owner == ObjectIdentifier(self),
      "state and workspace must be of this model")
    try check(input)
    controller.run(input, weights: weights, state: state, workspace: &workspace)
    weights.apply(
      weights.layout.heads, workspace.outputInput, into: workspace.rawParameters,
      scratch: workspace.products.base)
    memory.activate(raw: workspace.rawParameters, values: workspace.parameters)
    // The raw ones too: a clip would hide that they, or h_t before them, are infinite.
    let parameterCount = weights.layout.heads.outputs
    guard kernels.areFinite(workspace.rawParameters, count: parameterCount),
      kernels.areFinite(workspace.parameters, count: parameterCount)
    else { throw .nonFiniteResult(.headParameters) }
    guard memory.run(state: state, workspace: &workspace) else { throw .nonFiniteResult(.memory) }
    // Weightings, reads, h and c lie one after another.
    let rest = stateLayout.weightings.offset
    guard
      kernels.areFinite(workspace.next.buffer.base + rest, count: stateLayout.bufferCount - rest)
    else {
      throw .nonFiniteResult(.weightings)
    }
    try computeOutput(&workspace)
    swap(&state.buffer, &workspace.next.buffer)
  }

  private func check(_ input: borrowing Span<Float>) throws(StepError) {
    guard input.count == configuration.inputSize else {
      throw .wrongInputSize(expected: configuration.inputSize, got: input.count)
    }
    for index in 0..<input.count where !input[index].isFinite {
      throw .nonFiniteInput(index: index)
    }
  }

  /// σ(linear([h_t, r_t…]))
  private func computeOutput(_ workspace: inout Workspace) throws(StepError) {
    let map = weights.layout.output
    if configuration.dialect.output.source == .hiddenAndReads {
      let columns = configuration.memory.columns
      let reads = workspace.outputInput + configuration.controller.units
      for read in 0..<stateLayout.reads.rows {
        (reads + read * columns).update(
          from: workspace.next.pointer(stateLayout.reads, read), count: columns)
      }
    }
    weights.apply(
      map, workspace.outputInput, into: workspace.logitsPointer, scratch: workspace.products.base)
    if let clip = configuration.dialect.output.clip {
      MemoryStep.clip(workspace.logitsPointer, count: map.outputs, to: clip)
    }
    kernels.apply(
      configuration.dialect.output.activation, workspace.logitsPointer, workspace.outputPointer,
      count: map.outputs)
    guard kernels.areFinite(workspace.logitsPointer, count: map.outputs),
      kernels.areFinite(workspace.outputPointer, count: map.outputs)
    else { throw .nonFiniteResult(.output) }
  }
}

/// Why a step was refused. The state is as it was before.
public enum StepError: Error, Equatable, CustomStringConvertible {
  case wrongInputSize(expected: Int, got: Int)
  case nonFiniteInput(index: Int)
  case nonFiniteResult(Quantity)

  /// What would not have been finite.
  public enum Quantity: String, Sendable {
    case headParameters = "the heads' parameters"
    case memory = "the memory"
    case weightings = "a weighting, a read vector or the controller's state"
    case output = "the output"
  }

  public var description: String {
    switch self {
    case .wrongInputSize(let expected, let got):
      "input has \(got) values; the model takes \(expected)"
    case .nonFiniteInput(let index): "input[\(index)] is not a finite number"
    case .nonFiniteResult(let quantity):
      "the step would make \(quantity.rawValue) infinite or not a number"
    }
  }
}
