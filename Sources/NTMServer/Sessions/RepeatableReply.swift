/// The reply to the last steps of a session, kept for a client that did not get it and asks again.
struct RepeatableReply: Sendable {
  /// The number of the first of its steps.
  let firstStep: Int
  /// Of the request's inputs and what it wanted to know.
  let fingerprint: Fingerprint
  /// The reply, or nil where there was no room to keep it.
  let body: [UInt8]?

  /// A reply longer than this is not kept.
  static let largestBody = 64 << 10

  var bytes: Int { body?.count ?? 0 }
}
