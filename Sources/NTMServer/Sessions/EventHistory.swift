/// The newest of a row of numbered texts, so many and so long as are worth keeping.
struct EventHistory {
  /// The number of the newest; that of the first ever is 1.
  private(set) var last: Int
  private var texts: [[UInt8]] = []
  /// Where the oldest that is kept stands.
  private var start = 0
  private var bytes = 0

  /// Texts, and bytes of them, that are kept. The newest is kept however long it is.
  static let limit = 1024
  static let byteLimit = 1 << 20

  /// - Parameter last: how many there were before
  init(after last: Int = 0) { self.last = last }

  private var count: Int { texts.count - start }

  /// The number of the oldest that is kept.
  var first: Int { last - count + 1 }

  /// The text of a number from `first` to `last`.
  subscript(number: Int) -> [UInt8] { texts[start + number - first] }

  mutating func append(_ text: [UInt8]) {
    texts.append(text)
    bytes += text.count
    last += 1
    while count > 1, count > Self.limit || bytes > Self.byteLimit {
      bytes -= texts[start].count
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
    self = EventHistory(after: last)
  }
}
