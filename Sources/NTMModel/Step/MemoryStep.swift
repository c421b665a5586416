/// Addressing, reading and writing of all heads in one step, in the order that the dialect has.
package struct MemoryStep: Sendable {
  let configuration: Configuration
  package let heads: [HeadParameters]
  package let addressing: AddressingStep
  private let activations: HeadActivations
  private let kernels: Kernels

  package init(_ configuration: Configuration, kernels: Kernels) {
    self.configuration = configuration
    self.kernels = kernels
    heads = configuration.headParameters
    addressing = AddressingStep(configuration, kernels: kernels)
    activations = HeadActivations(heads, configuration.dialect, kernels: kernels)
  }

  /// Turns the raw parameters of all heads into what they mean.
  package func activate(raw: UnsafePointer<Float>, values: UnsafeMutablePointer<Float>) {
    var raw = raw
    if let clip = configuration.dialect.parameterClip {
      let count = heads.last?.range.upperBound ?? 0
      values.update(from: raw, count: count)
      Self.clip(values, count: count, to: clip)
      raw = UnsafePointer(values)
    }
    activations.apply(raw, values)
  }

  /// Values to ±bound; NaN stays NaN.
  package static func clip(_ values: UnsafeMutablePointer<Float>, count: Int, to bound: Float) {
    for i in 0..<count {
      if values[i] > bound { values[i] = bound } else if values[i] < -bound { values[i] = -bound }
    }
  }

  /// Writes w_t, r_t and M_t into `workspace.next`; or M_t over the memory of `state`, which takes half
  /// as much of the caches, where it is certain that the step will be taken.
  ///
  /// - Parameter parameter: the largest |p| of the heads' parameters
  /// - Returns: whether all of M_t is finite; weightings and reads are the caller's to check, where the
  ///   memory is not written in place.
  func run(
    state: inout State, workspace: inout Workspace, parameter: Float, certainty: StepCertainty
  ) -> Bool {
    var memory = UnsafePointer(state.pointer(state.layout.memory))
    var next = workspace.next.pointer(state.layout.memory)
    workspace.isInPlace = false
    var (first, readCount) = (0, 0)
    var isFinite = true
    // Heads that address the same memory go through it together.
    while first < heads.count {
      let end = endOfGroup(first)
      address(first..<end, memory, state: state, workspace: &workspace)
      // Where there are more groups, they may still find something that is not finite.
      if end - first == heads.count, certainty.isGiven(workspace, parameter) {
        workspace.isInPlace = true
        next = state.pointer(state.layout.memory)
      }
      let (reads, writes) = gather(first..<end, &readCount, workspace: &workspace)
      isFinite =
        use(memory, to: next, reads: reads, writes: writes, workspace: &workspace) && isFinite
      if writes > 0 { memory = UnsafePointer(next) }
      first = end
    }
    if memory != UnsafePointer(next) {
      let shape = addressing.shape
      next.update(from: memory, count: shape.paddedRows * shape.columns)
    }
    precondition(isFinite || !workspace.isInPlace, "a certain step has no finite memory")
    return isFinite
  }

  /// Where the heads from `first` on end that address the same memory.
  private func endOfGroup(_ first: Int) -> Int {
    guard configuration.dialect.memoryOrder == .sequential else { return heads.count }
    let writer = (first..<heads.count).first { configuration.heads[$0].writes }
    return writer.map { $0 + 1 } ?? heads.count
  }

  /// w_t of some heads.
  private func address(
    _ group: Range<Int>, _ memory: UnsafePointer<Float>, state: borrowing State,
    workspace: inout Workspace
  ) {
    let values = UnsafePointer(workspace.parameters)
    let shape = addressing.shape
    for index in group {
      workspace.keys[index] = values + heads[index].key.lowerBound
      workspace.dots[index] = workspace.similarities + index * shape.paddedRows
    }
    addressing.kernels.similarity(
      memory, shape, keys: workspace.keys + group.lowerBound, count: group.count,
      offset: addressing.addressing.similarity.offset, dots: workspace.dots + group.lowerBound,
      squares: workspace.squares, keySquares: workspace.keySquares + group.lowerBound)
    for index in group {
      addressing.address(
        AddressingStep.Similarity(
          dots: workspace.similarities + index * shape.paddedRows, squares: workspace.squares,
          keySquare: workspace.keySquares[index]),
        with: heads[index], values: values,
        before: state.pointer(state.layout.weightings, index), shifted: workspace.shifted,
        into: workspace.next.pointer(state.layout.weightings, index))
    }
  }

  /// What some heads read and write, into `workspace.headReads` and `headWrites`.
  ///
  /// - Parameter readCount: of the heads so far
  /// - Returns: how many read and write
  private func gather(
    _ group: Range<Int>, _ readCount: inout Int, workspace: inout Workspace
  ) -> (reads: Int, writes: Int) {
    let values = UnsafePointer(workspace.parameters)
    var (reads, writes) = (0, 0)
    for index in group {
      let head = configuration.heads[index]
      let weighting = UnsafePointer(
        workspace.next.pointer(workspace.next.layout.weightings, index))
      if head.reads {
        workspace.headReads[reads] = HeadRead(
          by: weighting, into: workspace.next.pointer(workspace.next.layout.reads, readCount))
        reads += 1
        readCount += 1
      }
      if head.writes, let add = heads[index].add {
        workspace.headWrites[writes] = HeadWrite(
          by: weighting,
          erasing: heads[index].erase.map { values + $0.lowerBound } ?? workspace.noErase,
          adding: values + add.lowerBound)
        writes += 1
      }
    }
    return (reads, writes)
  }

  /// Reads from `memory`, and writes from there to `next`: at once, or one head after another where the
  /// dialect has that.
  ///
  /// - Returns: whether all that was written is finite
  private func use(
    _ memory: UnsafePointer<Float>, to next: UnsafeMutablePointer<Float>, reads: Int, writes: Int,
    workspace: inout Workspace
  ) -> Bool {
    let atOnce = configuration.dialect.memoryOrder == .parallel ? min(writes, 1) : writes
    var isFinite = kernels.use(
      from: memory, to: next, addressing.shape, reads: workspace.headReads, readCount: reads,
      writes: workspace.headWrites, writeCount: atOnce, sums: workspace.sums)
    for index in atOnce..<max(atOnce, writes) {
      isFinite =
        kernels.use(
          from: next, to: next, addressing.shape, reads: workspace.headReads, readCount: 0,
          writes: workspace.headWrites + index, writeCount: 1, sums: workspace.sums) && isFinite
    }
    return isFinite
  }
}
