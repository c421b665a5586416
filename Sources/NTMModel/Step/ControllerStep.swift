/// The controller's part of a step: h_t = controller([x_t, r_{t−1}…], h_{t−1}). Each layer gathers its
/// input, goes through its linear map (which is the caller's), and is activated.
struct ControllerStep: Sendable {
  let configuration: Configuration
  let kernels: Kernels

  /// [x_t, r_{t−1}…], where the first layer takes its input.
  func gatherInput(
    _ input: UnsafeBufferPointer<Float>, state: borrowing State, workspace: borrowing Workspace
  ) {
    let to = workspace.controllerInput
    to.update(from: input.baseAddress!, count: input.count)
    let columns = configuration.memory.columns
    for read in 0..<state.layout.reads.rows {
      (to + input.count + read * columns).update(
        from: state.pointer(state.layout.reads, read), count: columns)
    }
  }

  /// Completes a layer's input, which begins with what the layer before it gave.
  func prepare(_ layer: Int, state: borrowing State, workspace: borrowing Workspace) {
    guard configuration.controller.kind == .lstm else { return }
    let units = configuration.controller.units
    let inputSize = layer == 0 ? configuration.controllerInputSize : units
    (workspace.controllerInput + inputSize).update(
      from: state.pointer(state.layout.hidden, layer), count: units)
  }

  /// From a layer's sums to where the next one has its input, or the heads and the output theirs: of an
  /// LSTM h_t, which is written into `workspace.next` with c_t.
  func activate(_ layer: Int, state: borrowing State, workspace: borrowing Workspace) {
    let units = configuration.controller.units
    let isLast = layer == configuration.controller.layers - 1
    let to = isLast ? workspace.outputInput : workspace.controllerInput
    switch configuration.controller.kind {
    case .lstm:
      let (hidden, cell) = (state.layout.hidden, state.layout.cell)
      let h = workspace.next.pointer(hidden, layer)
      kernels.lstm(
        gates: workspace.gates, cellBefore: state.pointer(cell, layer),
        cell: workspace.next.pointer(cell, layer), hidden: h, units: units)
      to.update(from: h, count: units)
    case .feedForward(let activation):
      kernels.apply(activation, workspace.gates, to, count: units)
    }
  }
}
