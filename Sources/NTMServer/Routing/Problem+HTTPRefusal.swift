extension Problem {
  /// The problem that answers a request which the transport refuses.
  init(_ refusal: HTTPRefusal) {
    self =
      switch refusal {
      case .bodyTooLarge(let limit):
        Problem(
          .bodyTooLarge, "the body is longer than \(limit) bytes", fields: ["limit": .number(limit)]
        )
      case .unwantedBody(let limit):
        Problem(
          .bodyTooLarge,
          "this request needs no body, and the body is longer than \(limit) bytes",
          fields: ["limit": .number(limit)])
      case .bodyTooComplex(let bytes, let limit):
        Problem(
          .bodyTooLarge,
          "the body may need \(bytes) bytes of memory; all bodies together may use \(limit)",
          fields: ["limit": .number(limit)])
      case .headersTooLarge:
        Problem(.headersTooLarge, "the request's headers are too long, or too many")
      case .targetTooLong(let limit):
        Problem(
          .targetTooLong, "path and query are longer than \(limit) bytes",
          fields: ["limit": .number(limit)])
      case .tooManyParameters(let limit):
        Problem(
          .targetTooLong, "the query has more than \(limit) parameters",
          fields: ["limit": .number(limit)])
      case .malformed(let reason): Problem(.malformedRequest, reason)
      case .unsupportedCoding(let coding):
        Problem(.unsupportedCoding, "Content-Encoding is \(coding); gzip is valid")
      case .requestTimeout(let seconds):
        Problem(
          .requestTimeout, "the request was not complete after \(seconds) s",
          fields: ["limit": .number(seconds)])
      case .tooManyConnections(let limit):
        Problem(
          .limitReached, "\(limit) connections are open; try again in a moment",
          fields: ["limit": .number(limit)])
      case .tooManyConnectionsOfAddress(let limit):
        Problem(
          .tooManyConnections, "\(limit) connections are open from your address",
          fields: ["limit": .number(limit)])
      case .bodyNotStored(_, isFull: true):
        Problem(
          .limitReached,
          "the server has no disk space for the body at present; nothing of it was applied")
      case .bodyNotStored(_, isFull: false):
        Problem(
          .internalError,
          "the server's folder for temporary files is not usable; nothing of the body was applied")
      case .bodiesTooLarge(let limit):
        Problem(
          .limitReached,
          "request bodies use \(limit) bytes of memory, which is the limit; try again in a moment",
          fields: ["limit": .number(limit)])
      case .draining: Problem(.stopping, "the server is stopping and takes no more requests")
      case .overloaded: Problem(.overloaded, "too much work is waiting; try again in a moment")
      case .unanswered: Problem(.internalError, "the request was given up without an answer")
      }
  }
}
