#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// A refusal, as the client gets it: problem details after RFC 9457.
struct Problem: Error, Equatable {
  /// The kinds of refusal; each has one status, title and `type`.
  enum Kind: String, CaseIterable {
    case malformedRequest = "malformed-request"
    case modelAdminOff = "model-admin-off"
    case noSuchResource = "no-such-resource"
    case noSuchModel = "no-such-model"
    case noDefaultModel = "no-default-model"
    case noSuchSession = "no-such-session"
    case unauthorized
    case foreignOrigin = "foreign-origin"
    case misdirected
    case methodNotAllowed = "method-not-allowed"
    case notAcceptable = "not-acceptable"
    case wrongStep = "wrong-step"
    case keyInUse = "key-in-use"
    case keyReused = "key-reused"
    case replyForgotten = "reply-forgotten"
    case otherModel = "other-model"
    case badModel = "bad-model"
    case damagedState = "damaged-state"
    case unsupportedType = "unsupported-type"
    case keepAlive = "keep-alive"
    case bodyTooLarge = "body-too-large"
    case headersTooLarge = "headers-too-large"
    case targetTooLong = "target-too-long"
    case unsupportedCoding = "unsupported-coding"
    case requestTimeout = "request-timeout"
    case tooManyConnections = "too-many-connections"
    case wrongSize = "wrong-size"
    case notFinite = "not-finite"
    case tooMuch = "too-much"
    case internalError = "internal-error"
    case damagedSession = "damaged-session"
    case changeRejected = "change-rejected"
    case storeUnavailable = "store-unavailable"
    case saveUnconfirmed = "save-unconfirmed"
    case modelNotServed = "model-not-served"
    case limitReached = "limit-reached"
    case stopping
    case overloaded

    var status: Int {
      switch self {
      case .malformedRequest: 400
      case .unauthorized: 401
      case .foreignOrigin: 403
      case .misdirected: 421
      case .modelAdminOff: 403
      case .noSuchResource, .noSuchModel, .noSuchSession: 404
      case .methodNotAllowed: 405
      case .notAcceptable: 406
      case .wrongStep, .keyInUse, .replyForgotten, .otherModel: 409
      case .bodyTooLarge: 413
      case .headersTooLarge: 431
      case .targetTooLong: 414
      case .requestTimeout: 408
      case .tooManyConnections: 429
      case .unsupportedType, .unsupportedCoding: 415
      case .noDefaultModel, .wrongSize, .notFinite, .tooMuch, .keyReused, .damagedState, .badModel,
        .keepAlive:
        422
      case .internalError, .damagedSession, .changeRejected: 500
      // 503 means that nothing was changed.
      case .saveUnconfirmed: 504
      case .limitReached, .stopping, .overloaded, .storeUnavailable, .modelNotServed:
        503
      }
    }

    var title: String {
      switch self {
      case .malformedRequest: "The request is malformed"
      case .modelAdminOff: "Models can't be changed by requests"
      case .noSuchResource: "There is no such resource"
      case .noSuchModel: "There is no such model"
      case .noDefaultModel: "There is no default model"
      case .noSuchSession: "There is no such session"
      case .unauthorized: "A key is needed"
      case .foreignOrigin: "The request comes from another site"
      case .misdirected: "The request is for another server"
      case .methodNotAllowed: "The resource has no such method"
      case .notAcceptable: "The resource has no such form"
      case .wrongStep: "The session is at another step"
      case .keyInUse: "The request with this key is being carried out"
      case .keyReused: "The key belongs to another request"
      case .replyForgotten: "The reply is not kept any more"
      case .otherModel: "The state belongs to another model"
      case .badModel: "The model can't be loaded"
      case .damagedState: "The state is damaged"
      case .unsupportedType: "The body is of another type than is expected"
      case .keepAlive: "A session can't be kept so long"
      case .bodyTooLarge: "The body is too large"
      case .headersTooLarge: "The headers are too large"
      case .targetTooLong: "The address is too long"
      case .unsupportedCoding: "The body is packed in a way that is not known"
      case .requestTimeout: "The request took too long to arrive"
      case .tooManyConnections: "Too many connections are open"
      case .wrongSize: "A size is wrong"
      case .notFinite: "A value is not finite"
      case .tooMuch: "The request asks for too much"
      case .internalError: "The server failed"
      case .damagedSession: "The session is damaged"
      case .modelNotServed: "The session's model is not served"
      case .changeRejected: "The store rejects the change"
      case .saveUnconfirmed: "The change is applied, but not saved yet"
      case .storeUnavailable: "The store of sessions can't be used"
      case .limitReached: "A limit is reached"
      case .stopping: "The server is stopping"
      case .overloaded: "The server has too much to do"
      }
    }

    /// The `type`: a name, not an address.
    var type: String { "urn:ntm:problem:\(rawValue)" }
  }

  /// A field beside the standard ones, such as `expected` and `got`.
  enum Field: Equatable, Encodable {
    case number(Int)
    case text(String)
    case list([String])

    func encode(to encoder: any Encoder) throws {
      var value = encoder.singleValueContainer()
      switch self {
      case .number(let number): try value.encode(number)
      case .text(let text): try value.encode(text)
      case .list(let list): try value.encode(list)
      }
    }
  }

  let kind: Kind
  /// What was wrong, where, and what would be right.
  let detail: String
  var fields: [String: Field] = [:]
  var headers: [String: String] = [:]

  init(
    _ kind: Kind, _ detail: String, fields: [String: Field] = [:], headers: [String: String] = [:]
  ) {
    self.kind = kind
    self.detail = Self.shortened(detail)
    self.fields = fields.mapValues { field in
      if case .text(let text) = field { .text(Self.shortened(text)) } else { field }
    }
    self.headers = headers
    if kind.status == 503, headers["Retry-After"] == nil { self.headers["Retry-After"] = "1" }
  }

  /// Bytes of a text in a problem. What clients send can be as long as a body.
  static let longestText = 4096

  private static func shortened(_ text: String) -> String {
    let count = text.utf8.count
    guard count > longestText else { return text }
    var start = text.utf8.index(text.startIndex, offsetBy: longestText)
    // Not within a character.
    while start > text.startIndex, start.samePosition(in: text.unicodeScalars) == nil {
      start = text.utf8.index(before: start)
    }
    return "\(text[..<start])… (\(count) bytes)"
  }

  static let mediaType = "application/problem+json"

  var response: HTTPResponse {
    var object = fields
    object["type"] = .text(kind.type)
    object["title"] = .text(kind.title)
    object["status"] = .number(kind.status)
    object["detail"] = .text(detail)
    var response = HTTPResponse.json(object, status: kind.status)
    response.contentType = Self.mediaType
    response.headers = headers.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
    return response
  }
}

extension Problem {
  /// The object, as a part of the reply to a request of this name.
  func body(for request: String) -> [UInt8] {
    var response = response
    response.name(request)
    return response.body
  }
}

extension HTTPResponse {
  /// Whether the body is a problem. The status is looked at first, because most are none.
  var isProblem: Bool { status >= 400 && contentType == Problem.mediaType }

  /// Adds the name of the request to a problem. It is not there from the start, because most places
  /// that refuse something know nothing of the request.
  mutating func name(_ request: String) {
    body.removeLast()
    // Visible ASCII: two characters of it can't stand in a string as they are.
    body += Array(",\"request_id\":\"".utf8)
    for byte in request.utf8 {
      if byte == UInt8(ascii: "\\") || byte == UInt8(ascii: "\"") {
        body.append(UInt8(ascii: "\\"))
      }
      body.append(byte)
    }
    body += Array("\"}".utf8)
  }
}
