import Foundation
import Testing

@testable import NTMServer

/// What requests are called, in replies and in the log.
struct RequestIDTests {
  @Test(arguments: Transport.allCases, ["abc-123", "a\"b\\c", String(repeating: "x", count: 128)])
  func aClientsNameComesBack(_ transport: Transport, _ id: String) async throws {
    try await withRawService(transport) { client in
      let headers = [("X-Request-Id", id)]
      #expect(try await client.get("/models", headers: headers).header("X-Request-Id") == id)
      let refused = try await client.get("/models/none", headers: headers)
      #expect(refused.header("X-Request-Id") == id)
      try expectProblem(refused, 404, "no-such-model", fields: ["request_id": .text(id)])
    }
  }

  @Test(
    arguments: Transport.allCases, ["a b", "ü", "\u{1}", String(repeating: "x", count: 129), ""])
  func anotherOneIsMadeWhereItIsNoName(_ transport: Transport, _ id: String) async throws {
    try await withRawService(transport) { client in
      let response = try await client.get("/models", headers: [("X-Request-Id", id)])
      let made = try #require(response.header("X-Request-Id"))
      #expect(made.contains(/^[a-z2-7]{8}-[a-z2-7]+$/), "\(made)")
    }
  }

  @Test(arguments: Transport.allCases)
  func everyReplyHasOneOfItsOwn(_ transport: Transport) async throws {
    try await withRawService(transport) { client in
      let session = try await client.makeSession()
      var ids: [String] = []
      for (method, path, body) in [
        ("GET", "/livez", ""), ("POST", "/sessions", ""), ("POST", "/nothing", "x"),
        ("POST", "/sessions/\(session)/step", "nonsense"),
        ("POST", "/sessions/\(session)/step", #"{"input":[0,0,0,0,0,0,0,0,0]}"#),
        ("GET", "/sessions/\(session)/state", ""),
        // From a worker: a reply, one that is long enough to be packed, and a refusal.
        ("GET", "/sessions", ""), ("GET", "/metrics", ""),
        ("POST", "/sessions", "\u{10}\0\0\0\0\0\0\0{}"),
      ] {
        let response = try await client.send(method, path, headers: [], body: Array(body.utf8))
        let id = try #require(response.header("X-Request-Id"), "\(method) \(path)")
        ids.append(id)
        if response.status >= 400 { #expect(try response.object()["request_id"] as? String == id) }
      }
      let stream = try await client.send(
        "POST", "/sessions/\(session)/step", headers: [("Content-Type", "application/x-ndjson")],
        body: Array("[0,0,0,0,0,0,0,0,0]\n".utf8))
      ids.append(try #require(stream.header("X-Request-Id")))
      #expect(Set(ids).count == ids.count)
    }
  }

  /// A reply that is given again is the reply to another request.
  @Test(arguments: Transport.allCases)
  func aReplayHasTheNameOfItsOwnRequest(_ transport: Transport) async throws {
    try await withRawService(transport) { client in
      var names: [String?] = []
      for name in ["first", "second"] {
        let response = try await client.send(
          "POST", "/sessions", headers: [("Idempotency-Key", "k"), ("X-Request-Id", name)],
          body: [])
        #expect(response.status == 201)
        #expect(response.headers.count { $0.name == "X-Request-Id" } == 1)
        names.append(response.header("X-Request-Id"))
      }
      #expect(names == ["first", "second"])
    }
  }

  /// What the transport refuses, too.
  @Test func aRefusalOfTheTransportHasOne() async throws {
    let options = ServiceOptions.testing { $0.http.maxBodyBytes = 10 }
    try await withLiveService(.copy, options) { port in
      let response = try SocketClient(port: port).exchange(
        "POST", "/sessions", headers: [("X-Request-Id", "mine")],
        body: Array(repeating: 32, count: 11))
      try expectProblem(response, 413, "body-too-large", fields: ["request_id": .text("mine")])
      #expect(response.header("X-Request-Id") == "mine")
    }
  }

  /// What goes past libmicrohttpd, with the client's name where that has come.
  @Test(arguments: [
    (start: "POST /sessions HTTP/1.1\r\nHost: localhost\r\n", name: nil),
    (
      start: "POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
        + "X-Request-Id: mine\r\n\r\n{", name: "mine"
    ),
  ])
  func aRequestThatIsCutOffHasOne(_ slow: (start: String, name: String?)) async throws {
    let options = ServiceOptions.testing { $0.http.requestTimeout = 1 }
    try await withLiveService(.copy, options) { port in
      let client = try SocketClient(port: port)
      try client.send(slow.start)
      let response = try client.receive()
      let id = try #require(response.header("X-Request-Id"))
      #expect(slow.name == nil || slow.name == id)
      try expectProblem(response, 408, "request-timeout", fields: ["request_id": .text(id)])
    }
  }

  @Test(arguments: [
    (
      header: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      id: "4bf92f3577b34da6a3ce929d0e0e4736" as String?
    ),
    (
      header: "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future",
      id: "4bf92f3577b34da6a3ce929d0e0e4736"
    ),
    (header: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", id: nil),
    (header: "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", id: nil),
    (header: "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", id: nil),
    (header: "00-00000000000000000000000000000000-00f067aa0ba902b7-01", id: nil),
    (header: "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", id: nil),
    (header: "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01", id: nil),
    (header: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", id: nil),
    (header: "", id: nil),
  ])
  func aTraceIsTakenWhereItIsOne(_ header: String, _ id: String?) {
    #expect(TraceParent.traceID(header) == id)
  }
}
