/// How long a session is kept without use.
struct KeepAlive {
  /// In seconds; what is longer is for ever.
  private static let longest = 1e9

  /// nil for ever.
  let seconds: Double?

  /// - Parameter value: seconds, or "never"; nil where the client does not say
  /// - Throws: `Problem` 400 where it is neither, 422 where it is longer than the server allows.
  init(_ value: JSONValue?, _ limits: SessionTable.Limits) throws(Problem) {
    switch value {
    case nil:
      seconds = limits.timeToLive
    case .string("never"):
      if let longest = limits.longestKeepAlive { throw .keepAlive("never", longest) }
      seconds = nil
    case .number(let number) where number > 0 && number <= Self.longest:
      if let longest = limits.longestKeepAlive, number > longest {
        throw .keepAlive(number.description, longest)
      }
      seconds = number
    case _?:
      throw Problem(
        .malformedRequest,
        "keep_alive is not valid; it is a number of seconds above 0 and up to "
          + "\(Self.longest), or \"never\"")
    }
  }
}

extension Problem {
  fileprivate static func keepAlive(_ got: String, _ longest: Double) -> Problem {
    Problem(
      .keepAlive,
      "keep_alive is \(got); this server keeps an unused session for at most "
        + "\(longest) seconds", fields: ["expected": .text(longest.description), "got": .text(got)])
  }
}
