/// The newest of a series of numbered texts, within limits of their count and bytes.
struct EventHistory {
  /// The number of the newest; that of the first ever is 1.
  private(set) var last: Int
  /// Bytes that may be kept. The newest text is kept however long it is.
  private(set) var byteLimit: Int
  private var texts: [[UInt8]] = []
  /// The index of the oldest that is kept.
  private var start = 0
  private(set) var bytes = 0

  /// Texts that are kept.
  static let limit = 1024
  /// Bytes that are kept where nothing else is said.
  static let byteLimit = 1 << 20
  /// Bytes that a text takes beside its own.
  private static let overhead = 48

  /// - Parameter last: how many there were before
  init(after last: Int = 0, byteLimit: Int = Self.byteLimit) {
    self.last = last
    self.byteLimit = byteLimit
  }

  private var count: Int { texts.count - start }

  /// The number of the oldest that is kept.
  var first: Int { last - count + 1 }

  /// The text of a number from `first` to `last`.
  subscript(number: Int) -> [UInt8] { texts[start + number - first] }

  /// Bytes that are needed to keep a text.
  static func size(of text: [UInt8]) -> Int { text.count + overhead }

  mutating func append(_ text: [UInt8]) {
    texts.append(text)
    bytes += Self.size(of: text)
    last += 1
    dropOldest()
  }

  /// Changes the limit, and drops the oldest texts that are beyond it.
  mutating func limit(bytes limit: Int) {
    byteLimit = limit
    dropOldest()
  }

  private mutating func dropOldest() {
    while count > 1, count > Self.limit || bytes > byteLimit {
      bytes -= Self.size(of: texts[start])
      texts[start] = []
      start += 1
    }
    if start > texts.count / 2 {
      texts.removeFirst(start)
      start = 0
    }
  }

  /// Goes on after texts that are not known.
  mutating func skip(to last: Int) {
    guard last > self.last else { return }
    self = EventHistory(after: last, byteLimit: byteLimit)
  }
}
