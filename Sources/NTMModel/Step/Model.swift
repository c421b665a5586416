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
  private let certainty: StepCertainty

  /// - Parameters:
  ///   - configuration: a valid one
  ///   - weights: laid out for it
  ///   - start: the state before a session's first step
  init(
    configuration: Configuration, weights: consuming Weights, start: consuming State,
    kernels: Kernels = .best
  ) {
    self.configuration = configuration
    self.kernels = kernels
    stateLayout = start.layout
    controller = ControllerStep(configuration: configuration, kernels: kernels)
    memory = MemoryStep(configuration, kernels: kernels)
    certainty = StepCertainty(configuration, weights, stateLayout, kernels)
    self.weights = weights
    self.start = start
  }

  /// Names what computes a step: whoever has the same name gives the same bits for the same model,
  /// state and inputs, on every processor. Another one may differ in the last of them. To be raised
  /// with every change of the code that may change a bit of a step's result.
  public static let arithmetic = "2"

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
    let error = input.withUnsafeBufferPointer { input in
      withUnsafeMutablePointer(to: &state) { state in
        withUnsafeMutablePointer(to: &workspace) { workspace in
          var member = StepMember(input, state: state, workspace: workspace)
          withUnsafeMutablePointer(to: &member) {
            step(UnsafeMutableBufferPointer(start: $0, count: 1))
          }
          return member.error
        }
      }
    }
    if let error { throw error }
  }

  /// Advances several states by one input each. The bits are those of steps one by one; it is faster
  /// where the weights are more than a cache holds, because they are read once for all.
  ///
  /// - Parameter members: each with a state and a workspace of its own; those whose step is refused
  ///   have an error then, and the state that they had, bit for bit.
  public func step(_ members: UnsafeMutableBufferPointer<StepMember>) {
    guard let first = members.first else { return }
    for index in members.indices {
      precondition(
        members[index].state.pointee.layout == stateLayout
          && members[index].workspace.pointee.owner == ObjectIdentifier(self),
        "state and workspace must be of this model")
      let input = members[index].input
      members[index].proceed { state, workspace throws(StepError) in
        try check(input)
        controller.gatherInput(input, state: state, workspace: workspace)
      }
    }
    let backwards = first.workspace.pointee.goesBackwards
    first.workspace.pointee.goesBackwards = !backwards
    for layer in 0..<configuration.controller.layers {
      for index in members.indices {
        members[index].proceed { controller.prepare(layer, state: $0, workspace: $1) }
      }
      kernels.multiply(
        weights.map(weights.layout.controller[layer]), members, backwards: backwards,
        from: { $0.controllerInput }, to: { $0.gates })
      for index in members.indices {
        members[index].proceed { controller.activate(layer, state: $0, workspace: $1) }
      }
    }
    kernels.multiply(
      weights.map(weights.layout.heads), members, backwards: backwards, from: { $0.outputInput },
      to: { $0.rawParameters })
    for index in members.indices {
      members[index].proceed { state, workspace throws(StepError) in
        try useMemory(&state, &workspace)
      }
    }
    kernels.multiply(
      weights.map(weights.layout.output), members, backwards: backwards, from: { $0.outputInput },
      to: { $0.logitsPointer })
    for index in members.indices {
      members[index].proceed { state, workspace throws(StepError) in
        try finish(workspace)
        complete(&state, &workspace)
      }
    }
  }

  private func check(_ input: UnsafeBufferPointer<Float>) throws(StepError) {
    guard input.count == configuration.inputSize else {
      throw .wrongInputSize(expected: configuration.inputSize, got: input.count)
    }
    for index in 0..<input.count where !input[index].isFinite {
      throw .nonFiniteInput(index: index)
    }
  }

  /// From the heads' raw parameters to w_t, r_t and M_t, and what the output is made of.
  private func useMemory(_ state: inout State, _ workspace: inout Workspace) throws(StepError) {
    memory.activate(raw: workspace.rawParameters, values: workspace.parameters)
    // The raw ones too: a clip would hide that they, or h_t before them, are infinite.
    let count = weights.layout.heads.outputs
    let parameter = kernels.largest(workspace.parameters, count: count)
    guard kernels.areFinite(workspace.rawParameters, count: count), parameter.isFinite else {
      throw .nonFiniteResult(.headParameters)
    }
    guard
      memory.run(
        state: &state, workspace: &workspace, parameter: parameter, certainty: certainty)
    else { throw .nonFiniteResult(.memory) }
    guard
      workspace.isInPlace || kernels.areFinite(workspace.next, from: stateLayout.weightings.offset)
    else { throw .nonFiniteResult(.weightings) }
    guard configuration.dialect.output.source == .hiddenAndReads else { return }
    let columns = configuration.memory.columns
    let reads = workspace.outputInput + configuration.controller.units
    for read in 0..<stateLayout.reads.rows {
      (reads + read * columns).update(
        from: workspace.next.pointer(stateLayout.reads, read), count: columns)
    }
  }

  /// The step is taken: its state becomes that of the caller.
  private func complete(_ state: inout State, _ workspace: inout Workspace) {
    guard workspace.isInPlace else { return swap(&state.buffer, &workspace.next.buffer) }
    let rest = stateLayout.weightings.offset
    (state.buffer.base + rest).update(
      from: workspace.next.buffer.base + rest, count: stateLayout.bufferCount - rest)
  }

  /// From the logits to the output.
  private func finish(_ workspace: borrowing Workspace) throws(StepError) {
    let count = weights.layout.output.outputs
    if let clip = configuration.dialect.output.clip {
      MemoryStep.clip(workspace.logitsPointer, count: count, to: clip)
    }
    kernels.apply(
      configuration.dialect.output.activation, workspace.logitsPointer, workspace.outputPointer,
      count: count)
    guard kernels.areFinite(workspace.logitsPointer, count: count),
      kernels.areFinite(workspace.outputPointer, count: count)
    else {
      precondition(!workspace.isInPlace, "a certain step has no finite output")
      throw .nonFiniteResult(.output)
    }
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
