/// The id of a server-sent event, which a client sends back as `Last-Event-ID`.
///
/// Events are numbered from 1 for as long as the session is in use, so the numbers start again with
/// the server. The epoch tells one numbering from another. The step makes it possible to count the
/// steps that a client missed across epochs.
struct EventID: Equatable, Sendable {
  /// A random number of 48 bits; 0 for an id without an epoch.
  let epoch: UInt64
  let number: Int
  /// How many steps the session had taken after this event.
  let step: Int

  static func makeEpoch() -> UInt64 { .random(in: 1..<1 << 48) }

  init(epoch: UInt64, number: Int, step: Int) {
    self.epoch = epoch
    self.number = number
    self.step = step
  }

  /// Reads `epoch-number-step`, or a number alone, which is the id that servers without epochs gave.
  init?(_ text: String) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    switch parts.count {
    case 1:
      guard let number = Self.number(parts[0]) else { return nil }
      self.init(epoch: 0, number: number, step: 0)
    case 3:
      guard (1...12).contains(parts[0].utf8.count), parts[0].allSatisfy(\.isASCII),
        parts[0].allSatisfy(\.isHexDigit), let epoch = UInt64(parts[0], radix: 16),
        let number = Self.number(parts[1]), let step = Self.number(parts[2])
      else { return nil }
      self.init(epoch: epoch, number: number, step: step)
    default: return nil
    }
  }

  /// Digits only: `Int` accepts a sign too.
  private static func number(_ text: Substring) -> Int? {
    text.utf8.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) ? Int(text) : nil
  }
}

extension EventID: CustomStringConvertible {
  var description: String { "\(String(epoch, radix: 16))-\(number)-\(step)" }
}
