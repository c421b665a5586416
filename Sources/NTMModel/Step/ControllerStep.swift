/// The controller's part of a step: h_t = controller([x_t, r_{t−1}…], h_{t−1}).
struct ControllerStep: Sendable {
  let configuration: Configuration
  let kernels: Kernels

  /// Writes h_t and c_t into `workspace.next` (of an LSTM) and h_t of the last layer to the front of
  /// `workspace.outputInput`.
  func run(
    _ input: borrowing Span<Float>, weights: borrowing Weights, state: borrowing State,
    workspace: inout Workspace
  ) {
    gatherInput(input, state: state, into: workspace.controllerInput)
    switch configuration.controller.kind {
    case .lstm: runLSTM(weights: weights, state: state, workspace: &workspace)
    case .feedForward(let activation):
      runFeedForward(activation, weights: weights, workspace: &workspace)
    }
  }

  /// [x_t, r_{t−1}…]
  private func gatherInput(
    _ input: borrowing Span<Float>, state: borrowing State, into to: UnsafeMutablePointer<Float>
  ) {
    for i in 0..<input.count { to[i] = input[i] }
    let columns = configuration.memory.columns
    for read in 0..<state.layout.reads.rows {
      (to + configuration.inputSize + read * columns).update(
        from: state.pointer(state.layout.reads, read), count: columns)
    }
  }

  private func runLSTM(
    weights: borrowing Weights, state: borrowing State, workspace: inout Workspace
  ) {
    let units = configuration.controller.units
    let (hidden, cell) = (state.layout.hidden, state.layout.cell)
    var inputSize = configuration.controllerInputSize
    for layer in 0..<configuration.controller.layers {
      let input = workspace.controllerInput
      (input + inputSize).update(from: state.pointer(hidden, layer), count: units)
      weights.apply(
        weights.layout.controller[layer], input, into: workspace.gates,
        scratch: workspace.products.base)
      let h = workspace.next.pointer(hidden, layer)
      kernels.lstm(
        gates: workspace.gates, cellBefore: state.pointer(cell, layer),
        cell: workspace.next.pointer(cell, layer), hidden: h, units: units)
      let isLast = layer == configuration.controller.layers - 1
      (isLast ? workspace.outputInput : input).update(from: h, count: units)
      inputSize = units
    }
  }

  private func runFeedForward(
    _ activation: Activation, weights: borrowing Weights, workspace: inout Workspace
  ) {
    for layer in 0..<configuration.controller.layers {
      let map = weights.layout.controller[layer]
      weights.apply(
        map, workspace.controllerInput, into: workspace.gates, scratch: workspace.products.base)
      let isLast = layer == configuration.controller.layers - 1
      kernels.apply(
        activation, workspace.gates, isLast ? workspace.outputInput : workspace.controllerInput,
        count: map.outputs)
    }
  }
}
