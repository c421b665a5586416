/// A growing buffer of bytes that keeps its room when it is emptied, so that results are written
/// without allocation.
struct ByteBuffer: ~Copyable {
  private var base: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  private(set) var count = 0

  init(capacity: Int = 4096) {
    base = .allocate(capacity: capacity)
    self.capacity = capacity
  }

  deinit { base.deallocate() }

  var bytes: [UInt8] { bytes(from: 0) }

  /// What was written since there were `start` bytes.
  func bytes(from start: Int) -> [UInt8] {
    [UInt8](UnsafeBufferPointer(start: base + start, count: count - start))
  }

  /// Appends all of it to bytes that have room already, perhaps.
  func copy(to bytes: inout [UInt8]) {
    bytes.append(contentsOf: UnsafeBufferPointer(start: base, count: count))
  }

  mutating func removeAll() { count = 0 }

  /// Empties the buffer and returns memory beyond `limit` bytes.
  mutating func removeAll(keepingAtMost limit: Int) {
    count = 0
    guard capacity > limit else { return }
    base.deallocate()
    capacity = limit
    base = .allocate(capacity: limit)
  }

  /// Takes back what was written since there were `start` bytes.
  mutating func removeAll(from start: Int) { count = start }

  private mutating func reserve(_ more: Int) {
    guard capacity - count < more else { return }
    capacity = max(2 * capacity, count + more)
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
    larger.update(from: base, count: count)
    base.deallocate()
    base = larger
  }

  mutating func append(_ byte: UInt8) {
    reserve(1)
    base[count] = byte
    count += 1
  }

  /// Appends what `write` writes, which gives the number of bytes.
  mutating func append(atMost most: Int, _ write: (UnsafeMutablePointer<CChar>) -> Int) {
    reserve(most)
    count += UnsafeMutableRawPointer(base + count).withMemoryRebound(
      to: CChar.self, capacity: most, write)
  }

  mutating func append(_ text: StaticString) {
    reserve(text.utf8CodeUnitCount)
    (base + count).update(from: text.utf8Start, count: text.utf8CodeUnitCount)
    count += text.utf8CodeUnitCount
  }

  mutating func append(utf8 text: consuming String) {
    let length = text.utf8.count
    reserve(length)
    text.withUTF8 { (base + count).update(from: $0.baseAddress!, count: length) }
    count += length
  }
}
