/// Addressing, reading and writing of all heads in one step, in the order that the dialect has.
struct MemoryStep: Sendable {
  let configuration: Configuration
  let heads: [HeadParameters]
  let addressing: AddressingStep
  private let kernels: Kernels

  init(_ configuration: Configuration, kernels: Kernels) {
    self.configuration = configuration
    self.kernels = kernels
    heads = configuration.headParameters
    addressing = AddressingStep(configuration, kernels: kernels)
  }

  /// Turns `workspace.rawParameters` into the heads' parameters, `workspace.parameters`.
  func activate(_ workspace: inout Workspace) {
    let values = workspace.parameters
    var raw = UnsafePointer(workspace.rawParameters)
    if let clip = configuration.dialect.parameterClip {
      let count = heads.last?.range.upperBound ?? 0
      values.update(from: raw, count: count)
      Self.clip(values, count: count, to: clip)
      raw = UnsafePointer(values)
    }
    let write = configuration.dialect.write
    for head in heads {
      addressing.activate(head, raw: raw, values: values)
      if let range = head.erase, let activation = write.erase {
        addressing.apply(activation, raw, values, range)
      }
      if let range = head.add { addressing.apply(write.add, raw, values, range) }
    }
  }

  /// Values to ±bound; NaN stays NaN.
  static func clip(_ values: UnsafeMutablePointer<Float>, count: Int, to bound: Float) {
    for i in 0..<count {
      if values[i] > bound { values[i] = bound } else if values[i] < -bound { values[i] = -bound }
    }
  }

  /// Writes w_t, r_t and M_t into `workspace.next`.
  ///
  /// - Returns: whether all of M_t is finite; weightings and reads are the caller's to check.
  func run(state: borrowing State, workspace: inout Workspace) -> Bool {
    let layout = state.layout
    let values = UnsafePointer(workspace.parameters)
    let order = configuration.dialect.memoryOrder
    let shape = addressing.shape
    let scratch = AddressingStep.Scratch(
      dots: workspace.dots, squares: workspace.squares, shifted: workspace.shifted)
    let next = workspace.next.pointer(layout.memory)
    var memory = UnsafePointer(state.pointer(layout.memory))
    var isFinite = true
    var readCount = 0
    var writeCount = 0

    /// M ← the memory with `count` heads' writes applied at once, beginning with write `first`.
    func write(_ first: Int, _ count: Int) {
      let writes = UnsafePointer(workspace.writes + first)
      isFinite =
        kernels.write(from: memory, to: next, shape, heads: writes, count: count) && isFinite
      memory = UnsafePointer(next)
    }

    for index in 0..<heads.count {
      let head = configuration.heads[index]
      let weighting = workspace.next.pointer(layout.weightings, index)
      addressing.address(
        memory, with: heads[index], values: values,
        before: state.pointer(layout.weightings, index), scratch: scratch, into: weighting)
      if head.reads {
        kernels.read(
          memory, shape, weighting: weighting,
          into: workspace.next.pointer(layout.reads, readCount))
        readCount += 1
      }
      if head.writes, let add = heads[index].add {
        workspace.writes[writeCount] = HeadWrite(
          by: weighting,
          erasing: heads[index].erase.map { values + $0.lowerBound } ?? workspace.noErase,
          adding: values + add.lowerBound)
        writeCount += 1
        if order == .sequential { write(writeCount - 1, 1) }
      }
    }
    if writeCount == 0 {
      next.update(from: memory, count: shape.paddedRows * shape.columns)
    } else if order == .combined {
      write(0, writeCount)
    } else if order == .parallel {
      for index in 0..<writeCount { write(index, 1) }
    }
    return isFinite
  }
}
