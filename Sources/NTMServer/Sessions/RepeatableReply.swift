/// The reply to the last steps of a session, kept for a client that did not get it and asks again.
struct RepeatableReply: Equatable, Sendable {
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

extension RepeatableReply {
  /// The reply to steps that were just taken.
  init(_ firstStep: Int, _ request: StepRequest, _ form: MediaType, _ response: HTTPResponse) {
    self.init(
      firstStep: firstStep, fingerprint: request.fingerprint(form),
      body: response.body.count <= Self.largestBody ? response.body : nil)
  }
}
