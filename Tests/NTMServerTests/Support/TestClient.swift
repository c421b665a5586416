import Foundation
import Testing

@testable import NTMServer

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

typealias Response = SocketClient.Response

/// Sends requests to a service, in whatever way, and gives its replies.
protocol TestClient: Sendable {
  /// - Parameter target: path and query as on the wire
  func send(
    _ method: String, _ target: String, headers: [(String, String)], body: [UInt8]
  ) async throws -> Response
}

/// Straight through the router: offloaded work runs at once, a later answer or the end of a stream is
/// waited for, and what these need a worker for is done by a few threads.
struct InProcessClient: TestClient {
  let application: Application

  func send(
    _ method: String, _ target: String, headers: [(String, String)], body: [UInt8]
  ) async throws -> Response {
    let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
    let request = HTTPRequest(
      method: method, path: parts[0], query: parts.count == 2 ? parts[1] : "",
      headers: headers.map { (name: $0.0, value: $0.1) }, body: body)
    let start = monotonicNanoseconds()
    var response =
      switch application.handle(request) {
      case .respond(let response): response
      case .offload(let work): work()
      case .later(let begin):
        waitForAnswer(refusing: { application.refuse($0, request) }, from: begin)
      case .stream(let reply): collect(reply)
      }
    application.complete(&response, to: request)
    application.completed(
      request, status: response.status, responseBytes: response.body.count,
      duration: monotonicNanoseconds() - start)
    return Response(
      status: response.status, headers: response.allHeaders,
      body: method == "HEAD" ? [] : response.body)
  }
}

/// For all requests that go through the router.
private let workers = try! WorkerPool(workers: 4, queueLimit: 1000)

/// Blocks its thread, which is why nobody may need that to answer.
private func waitForAnswer(
  refusing refusal: @escaping @Sendable (HTTPRefusal) -> HTTPResponse,
  from begin: (HTTPCompletion) -> Void
) -> HTTPResponse {
  let answer = Monitor<HTTPReply?>(nil)
  begin(
    HTTPCompletion(
      workers: workers, refusal: { $0.applied(to: refusal($0)) },
      answer: { reply in
        answer.withLock { $0 = reply ?? .whole(HTTPResponse(status: 500)) }
        answer.broadcast()
      }))
  switch answer.wait({ $0 }) {
  case .whole(let response): return response
  case .stream(let reply): return collect(reply)
  }
}

/// The whole reply, at its end; of one that was broken off what was there.
private func collect(_ reply: HTTPStreamReply) -> HTTPResponse {
  var response = HTTPResponse(
    status: reply.status, contentType: reply.contentType, headers: reply.headers)
  let buffer = StreamBuffer()
  defer { buffer.close() }
  reply.start(HTTPBodyStream(buffer, workers: workers))
  var part = [UInt8](repeating: 0, count: 4096)
  while true {
    let more = Gate()
    switch part.withUnsafeMutableBytes({ buffer.read(into: $0) { { more.open() } } }) {
    case .bytes(let count): response.body += part[..<count]
    case .waiting: more.pass()
    case .end, .broken: return response
    }
  }
}

/// Foundation's HTTP client, over a live socket.
final class LiveClient: TestClient {
  private let port: Int
  private let session: URLSession

  init(port: Int) {
    self.port = port
    let configuration = URLSessionConfiguration.ephemeral
    configuration.timeoutIntervalForRequest = Double(SocketClient.timeoutSeconds)
    session = URLSession(configuration: configuration)
  }

  deinit { session.invalidateAndCancel() }

  func send(
    _ method: String, _ target: String, headers: [(String, String)], body: [UInt8]
  ) async throws -> Response {
    let url = try #require(URL(string: "http://127.0.0.1:\(port)\(target)"))
    var request = URLRequest(url: url)
    request.httpMethod = method
    for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
    if !body.isEmpty { request.httpBody = Data(body) }
    let (data, reply) = try await session.data(for: request)
    let response = try #require(reply as? HTTPURLResponse)
    return Response(
      status: response.statusCode,
      headers: response.allHeaderFields.map { (name: "\($0.key)", value: "\($0.value)") },
      body: [UInt8](data))
  }
}

extension TestClient {
  func get(_ target: String, headers: [(String, String)] = []) async throws -> Response {
    try await send("GET", target, headers: headers, body: [])
  }

  func post(_ target: String, _ body: String = "") async throws -> Response {
    try await send("POST", target, headers: [], body: Array(body.utf8))
  }

  func delete(_ target: String) async throws -> Response {
    try await send("DELETE", target, headers: [], body: [])
  }

  /// Makes a session and gives its name.
  func makeSession(_ model: String? = nil) async throws -> String {
    let response = try await post("/sessions", model.map { #"{"model": "\#($0)"}"# } ?? "")
    try #require(response.status == 201, "\(response.text)")
    return try #require(response.object()["id"] as? String)
  }

  /// Takes one step.
  func step(
    _ session: String, _ input: [Float], returning fields: StepResult.Fields = .standard
  ) async throws -> StepResult {
    let response = try await post(
      "/sessions/\(session)/step", #"{"input": \#(input.json), "return": \#(fields.json)}"#)
    try #require(response.status == 200, "\(response.text)")
    return try response.decoded()
  }
}

extension SocketClient.Response {
  func object() throws -> [String: Any] {
    try #require(
      JSONSerialization.jsonObject(with: Data(body)) as? [String: Any], "\(text)")
  }

  func decoded<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
    try JSONDecoder.snakeCase.decode(type, from: Data(body))
  }
}

extension JSONDecoder {
  static var snakeCase: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return decoder
  }
}

extension [Float] {
  /// As a client writes them.
  var json: String { "[\(map(\.description).joined(separator: ","))]" }
}

/// Expects a refusal in the form of RFC 9457.
///
/// - Parameters:
///   - name: the end of its `type`
///   - detail: the whole of it, where a test cares
///   - fields: numbers and texts beside the standard ones
func expectProblem(
  _ response: Response, _ status: Int, _ name: String, detail: String? = nil,
  fields: [String: Problem.Field] = [:], sourceLocation: SourceLocation = #_sourceLocation
) throws {
  #expect(response.status == status, "\(response.text)", sourceLocation: sourceLocation)
  #expect(
    response.header("Content-Type") == "application/problem+json", sourceLocation: sourceLocation)
  let problem = try response.object()
  #expect(problem["type"] as? String == "urn:ntm:problem:\(name)", sourceLocation: sourceLocation)
  #expect(problem["status"] as? Int == status, sourceLocation: sourceLocation)
  let title = try #require(problem["title"] as? String, sourceLocation: sourceLocation)
  #expect(!title.isEmpty, sourceLocation: sourceLocation)
  let got = try #require(problem["detail"] as? String, sourceLocation: sourceLocation)
  if let detail { #expect(got == detail, sourceLocation: sourceLocation) }
  for (name, value) in fields {
    let got: Problem.Field? =
      switch value {
      case .number: (problem[name] as? Int).map { .number($0) }
      case .text: (problem[name] as? String).map { .text($0) }
      case .list: (problem[name] as? [String]).map { .list($0) }
      }
    #expect(got == value, "\(name)", sourceLocation: sourceLocation)
  }
}
