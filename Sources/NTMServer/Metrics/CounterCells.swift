import Synchronization

/// Counters that every thread may add to without holding up another. Each is there several times:
/// threads add to different copies, mostly, and whoever reads adds the copies up.
///
/// `@unchecked Sendable`: `cells` is constant, and what it points to are atomics.
final class CounterCells: @unchecked Sendable {
  /// Threads that run at the same time rarely share one of so many copies; where two do, it costs
  /// them some nanoseconds.
  private static let copies = 8
  /// Bytes that processors fetch together, so that two copies are never in one piece.
  private static let spacing = 128

  /// Of counters.
  let count: Int
  private let stride: Int
  private let cells: UnsafeMutablePointer<Atomic<Int>>

  init(count: Int) {
    self.count = count
    let perSpacing = Self.spacing / MemoryLayout<Atomic<Int>>.stride
    stride = (count + perSpacing - 1) / perSpacing * perSpacing
    let total = stride * Self.copies
    cells = UnsafeMutableRawPointer.allocate(
      byteCount: total * MemoryLayout<Atomic<Int>>.stride, alignment: Self.spacing
    ).bindMemory(to: Atomic<Int>.self, capacity: total)
    for index in 0..<total { (cells + index).initialize(to: Atomic(0)) }
  }

  deinit {
    cells.deinitialize(count: stride * Self.copies)
    UnsafeMutableRawPointer(cells).deallocate()
  }

  /// The cells of the calling thread, for several additions in a row.
  var own: Own { Own(cells: cells + Self.threadCopy * stride, count: count) }

  struct Own {
    fileprivate let cells: UnsafeMutablePointer<Atomic<Int>>
    fileprivate let count: Int

    func add(_ more: Int, to index: Int) {
      precondition(index >= 0 && index < count)
      cells[index].wrappingAdd(more, ordering: .relaxed)
    }
  }

  func add(_ more: Int, to index: Int = 0) { own.add(more, to: index) }

  /// Adds one to a counter.
  ///
  /// - Returns: a number that no other call for this counter gets
  func takeNumber(_ index: Int = 0) -> Int {
    let copy = Self.threadCopy
    let before = cells[copy * stride + index].wrappingAdd(1, ordering: .relaxed).oldValue
    return before * Self.copies + copy
  }

  /// What was added in all. Additions that are made meanwhile may be in it or not.
  func total(_ index: Int = 0) -> Int {
    (0..<Self.copies).reduce(0) {
      $0 + cells[$1 * stride + index].load(ordering: .relaxed)
    }
  }

  private static var threadCopy: Int { ThreadNumber.current % copies }
}
