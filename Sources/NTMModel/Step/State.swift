/// Everything that a session has at a step: memory, weightings, reads and the controller's state,
/// in one flat buffer.
///
/// A state belongs to one model's layout. It can be copied (a fork), read and made from plain
/// values (a snapshot), and compared bit for bit.
public struct State: ~Copyable, Sendable {
  public let layout: StateLayout
  var buffer: AlignedBuffer<Float>

  /// All zeros.
  init(layout: StateLayout) throws(AllocationError) {
    self.layout = layout
    buffer = try AlignedBuffer<Float>(zeros: layout.bufferCount)
  }

  private init(layout: StateLayout, buffer: consuming AlignedBuffer<Float>) {
    self.layout = layout
    self.buffer = buffer
  }

  public func copy() throws(AllocationError) -> State {
    State(layout: layout, buffer: try buffer.copy())
  }

  /// Makes this state equal to another of the same layout.
  public mutating func assign(_ other: borrowing State) {
    precondition(layout == other.layout, "states of different layouts")
    buffer.base.update(from: other.buffer.base, count: buffer.count)
  }

  /// Whether both states hold the same bits.
  public func isIdentical(to other: borrowing State) -> Bool {
    layout == other.layout && buffer.isIdentical(to: other.buffer)
  }

  @inline(__always)
  func pointer(_ part: StateLayout.Part, _ row: Int = 0) -> UnsafeMutablePointer<Float> {
    buffer.base + part.offset + row * part.stride
  }

  // MARK: Reading

  /// w_t of a head: N values, valid until the state changes.
  public func weighting(_ head: Int) -> UnsafeBufferPointer<Float> {
    row(layout.weightings, head)
  }

  /// r_t of a read head: M values, valid until the state changes.
  public func read(_ index: Int) -> UnsafeBufferPointer<Float> { row(layout.reads, index) }

  /// h_t of an LSTM layer: H values, valid until the state changes.
  public func hidden(layer: Int) -> UnsafeBufferPointer<Float> { row(layout.hidden, layer) }

  /// c_t of an LSTM layer: H values, valid until the state changes.
  public func cell(layer: Int) -> UnsafeBufferPointer<Float> { row(layout.cell, layer) }

  private func row(_ part: StateLayout.Part, _ row: Int) -> UnsafeBufferPointer<Float> {
    precondition(row >= 0 && row < part.rows, "\(part.name) has \(part.rows) rows, not \(row + 1)")
    return UnsafeBufferPointer(start: pointer(part, row), count: part.columns)
  }

  /// Shows the memory matrix row by row, M values each, valid during the call.
  public func forEachMemoryRow(_ show: (_ row: Int, UnsafeBufferPointer<Float>) -> Void) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: layout.memory.columns) { values in
      for row in 0..<layout.memory.rows {
        for column in values.indices {
          values[column] = buffer.base[layout.memoryIndex(row, column)]
        }
        show(row, UnsafeBufferPointer(values))
      }
    }
  }

  // MARK: Plain values

  /// All values, row-major and without padding, in the order of `StateLayout.parts`.
  public var values: [Float] {
    var values: [Float] = []
    values.reserveCapacity(layout.valueCount)
    for part in layout.parts {
      readChunks(of: part) { range, chunk in
        values.append(contentsOf: UnsafeBufferPointer(start: chunk, count: range.count))
      }
    }
    return values
  }

  /// Replaces the whole state by `values`, ordered as `State.values` gives them.
  ///
  /// - Throws: `StateError` where there are too few or too many values, or one is not finite; the
  ///   state is then unchanged.
  public mutating func setValues(_ values: borrowing Span<Float>) throws(StateError) {
    guard values.count == layout.valueCount else {
      throw .wrongCount(expected: layout.valueCount, got: values.count)
    }
    for index in 0..<values.count where !values[index].isFinite {
      throw .nonFinite(index: index)
    }
    var first = 0
    for part in layout.parts {
      writeChunks(of: part) { range, chunk in
        for index in range { chunk[index - range.lowerBound] = values[first + index] }
      }
      first += part.valueCount
    }
  }

  /// Shows a part's values in order, a few rows at a time.
  ///
  /// - Parameter show: takes the range of the part's values, counted row-major, and the values
  func readChunks(
    of part: StateLayout.Part, _ show: (Range<Int>, UnsafePointer<Float>) -> Void
  ) {
    guard part == layout.memory else {
      for row in 0..<part.rows {
        show(row * part.columns..<(row + 1) * part.columns, pointer(part, row))
      }
      return
    }
    forEachMemoryRow { row, values in
      show(row * part.columns..<(row + 1) * part.columns, values.baseAddress!)
    }
  }

  /// Replaces a part's values in order, a few rows at a time.
  ///
  /// - Parameter fill: takes the range of the part's values, counted row-major, and writes them
  mutating func writeChunks<E: Error>(
    of part: StateLayout.Part,
    _ fill: (Range<Int>, UnsafeMutablePointer<Float>) throws(E) -> Void
  ) throws(E) {
    guard part == layout.memory else {
      for row in 0..<part.rows {
        try fill(row * part.columns..<(row + 1) * part.columns, pointer(part, row))
      }
      return
    }
    let chunk = UnsafeMutablePointer<Float>.allocate(capacity: part.columns)
    defer { chunk.deallocate() }
    for row in 0..<part.rows {
      try fill(row * part.columns..<(row + 1) * part.columns, chunk)
      for column in 0..<part.columns {
        buffer.base[layout.memoryIndex(row, column)] = chunk[column]
      }
    }
  }
}

/// Why values are not a state.
public enum StateError: Error, Equatable, CustomStringConvertible {
  case wrongCount(expected: Int, got: Int)
  case nonFinite(index: Int)

  public var description: String {
    switch self {
    case .wrongCount(let expected, let got): "a state of \(got) values; the model has \(expected)"
    case .nonFinite(let index): "value \(index) of the state is not finite"
    }
  }
}
