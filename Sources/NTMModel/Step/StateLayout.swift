/// Where each part of a state lies in its buffer, and its shape outside.
///
/// Inside, memory is in blocks of `Kernels.lanes` rows and every vector is padded to whole vectors.
/// Outside (`State.values`), everything is row-major without padding, in the order memory,
/// weightings, reads, hidden, cell.
///
/// A class, so that a state carries one pointer to it however many states there are.
public final class StateLayout: Equatable, Sendable {
  /// A part of a state: rows × columns outside, `offset` and `stride` in floats inside.
  public struct Part: Equatable, Sendable {
    public let name: String
    public let rows: Int
    public let columns: Int
    let offset: Int
    let stride: Int

    public var shape: [Int] { [rows, columns] }
    public var valueCount: Int { rows * columns }
  }

  /// M_t, N × M.
  public let memory: Part
  /// w_t, heads × N.
  public let weightings: Part
  /// r_t, read heads × M.
  public let reads: Part
  /// h_t of an LSTM, layers × units; 0 × units for a feed-forward controller.
  public let hidden: Part
  /// c_t of an LSTM, as `hidden`.
  public let cell: Part

  /// Floats in a state's buffer.
  let bufferCount: Int

  package init(_ configuration: Configuration) {
    let (rows, columns) = (configuration.memory.rows, configuration.memory.columns)
    let recurrentLayers =
      configuration.controller.kind == .lstm ? configuration.controller.layers : 0
    let units = configuration.controller.units
    var end = Kernels.padded(rows) * columns
    func part(_ name: String, _ count: Int, _ columns: Int) -> Part {
      let stride = Kernels.padded(columns)
      defer { end += count * stride }
      return Part(name: name, rows: count, columns: columns, offset: end, stride: stride)
    }
    memory = Part(name: "memory", rows: rows, columns: columns, offset: 0, stride: columns)
    weightings = part("weightings", configuration.heads.count, rows)
    reads = part("reads", configuration.readCount, columns)
    hidden = part("hidden", recurrentLayers, units)
    cell = part("cell", recurrentLayers, units)
    bufferCount = end
  }

  public static func == (a: StateLayout, b: StateLayout) -> Bool {
    a === b || a.parts == b.parts
  }

  /// All parts, in the order of `State.values`.
  public var parts: [Part] { [memory, weightings, reads, hidden, cell] }

  /// Floats that a state has outside.
  public var valueCount: Int { parts.reduce(0) { $0 + $1.valueCount } }

  /// Bytes that a state occupies.
  public var byteCount: Int { bufferCount * MemoryLayout<Float>.stride }

  /// Where memory element (row, column) lies.
  @inline(__always)
  func memoryIndex(_ row: Int, _ column: Int) -> Int {
    Kernels.blockedIndex(row, column, columns: memory.columns)
  }
}
