import Foundation
import NTMModel
import Testing

@testable import NTMServer

extension RouteTests {
  // MARK: Making

  @Test(
    arguments: Transport.allCases,
    ["", "{}", " {} ", #"{"model":"copy"}"#, #"{"model":"\u0063opy"}"#])
  func aSessionIsMade(_ transport: Transport, _ body: String) async throws {
    try await withService(transport) { client in
      let response = try await client.post("/sessions", body)
      #expect(response.status == 201)
      #expect(response.header("Content-Type") == "application/json")
      let session = try response.object()
      let id = try #require(session["id"] as? String)
      #expect(id.wholeMatch(of: /[A-Za-z0-9_-]{22}/) != nil)
      #expect(response.header("Location") == "/sessions/\(id)")
      #expect(session["model"] as? String == "copy")
      #expect(session["step"] as? Int == 0)
      #expect(session["state_bytes"] as? Int == ServedModel.copy.model.stateLayout.byteCount)
      #expect(session["model_version"] as? String == "sha256:\(ServedModel.copy.digest)")
      #expect(session.count == 9)
      let resource = try SessionResource(response)
      #expect(resource.createdAt == resource.lastActivity)
      #expect(resource.expiresAt.timeIntervalSince(resource.lastActivity) == 3600)
      // Below its location it is the same.
      #expect(try SessionResource(try await client.get("/sessions/\(id)")) == resource)
    }
  }

  @Test(arguments: Transport.allCases)
  func aSessionIsOfTheModelThatIsNamed(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      for name in ["copy", "content only", "repeat-copy"] {
        let response = try await client.post("/sessions", #"{"model": "\#(name)"}"#)
        #expect(response.status == 201)
        #expect(try response.object()["model"] as? String == name)
      }
    }
  }

  @Test(arguments: Transport.allCases)
  func aSessionWithoutModelIsOfTheDefault(_ transport: Transport) async throws {
    let pool = try ModelPool([.copy, .repeatCopy], default: "repeat-copy")
    try await withService(transport, pool) { client in
      let session = try await client.post("/sessions").object()
      #expect(session["model"] as? String == "repeat-copy")
    }
    try await withService(transport, .several) { client in
      for body in ["", "{}"] {
        try expectProblem(
          try await client.post("/sessions", body), 422, "no-default-model",
          detail: "the request names no model and none is the default; "
            + "there is content only, copy, mixed, overflowing, repeat-copy")
      }
      #expect(try await client.list("/sessions").ids.isEmpty)
    }
  }

  @Test(
    arguments: Transport.allCases,
    [
      (body: #"{"model":"none"}"#, status: 404, kind: "no-such-model"),
      (body: #"{"model":""}"#, status: 404, kind: "no-such-model"),
      (body: #"{"model":null}"#, status: 400, kind: "malformed-request"),
      (body: #"{"model":["copy"]}"#, status: 400, kind: "malformed-request"),
      (body: #"{"modle":"copy"}"#, status: 400, kind: "malformed-request"),
      (body: #"["copy"]"#, status: 400, kind: "malformed-request"),
      (body: #""copy""#, status: 400, kind: "malformed-request"),
      (body: " ", status: 400, kind: "malformed-request"),
      (body: "model=copy", status: 400, kind: "malformed-request"),
    ])
  func aSessionIsNotMadeOfABadRequest(
    _ transport: Transport, _ bad: (body: String, status: Int, kind: String)
  ) async throws {
    try await withService(transport) { client in
      try expectProblem(try await client.post("/sessions", bad.body), bad.status, bad.kind)
      #expect(try await client.list("/sessions").ids.isEmpty)
    }
  }

  // MARK: Listing

  @Test(arguments: Transport.allCases)
  func sessionsAreListedInTheOrderOfTheirMaking(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      let empty = try await client.get("/sessions")
      #expect(empty.text == #"{"next":null,"sessions":[]}"#)
      var made: [String] = []
      for number in 0..<7 {
        made.append(try await client.makeSession(number.isMultiple(of: 2) ? "mixed" : "copy"))
      }
      #expect(try await client.list("/sessions").ids == made)
      // Use does not change the order, and the list says what each session says of itself.
      _ = try await client.step(made[2], [1, 0, 1])
      let response = try await client.get("/sessions")
      let listed = try #require(try response.object()["sessions"] as? [[String: Any]])
      #expect(listed.map { $0["step"] as? Int } == [0, 0, 1, 0, 0, 0, 0])
      for (id, session) in zip(made, listed) {
        let alone = try await client.get("/sessions/\(id)").object()
        #expect(NSDictionary(dictionary: alone) == NSDictionary(dictionary: session))
      }
    }
  }

  @Test(arguments: Transport.allCases, [1, 2, 3, 6, 7, 8, 1000])
  func pagesFollowOneAnother(_ transport: Transport, _ limit: Int) async throws {
    try await withService(transport) { client in
      var made: [String] = []
      for _ in 0..<7 { made.append(try await client.makeSession()) }
      // What ends meanwhile does not shift the pages.
      var seen: [String] = []
      var next: String? = "/sessions?limit=\(limit)"
      var pages = 0
      while let target = next {
        let page = try await client.list(target)
        #expect(page.ids.count <= limit)
        #expect(page.next == nil || page.ids.count == limit)
        seen += page.ids
        next = page.next
        pages += 1
        try #require(pages <= 7)
      }
      #expect(seen == made)
      #expect(pages == (7 + limit - 1) / limit)
    }
  }

  @Test(arguments: Transport.allCases)
  func aPageBeginsBehindTheLastEvenWhereThatHasEnded(_ transport: Transport) async throws {
    try await withService(transport) { client in
      var made: [String] = []
      for _ in 0..<5 { made.append(try await client.makeSession()) }
      let first = try await client.list("/sessions?limit=2")
      for id in made.prefix(3) { _ = try await client.delete("/sessions/\(id)") }
      let next = try #require(first.next)
      #expect(try await client.list(next).ids == Array(made.suffix(2)))
      #expect(try await client.list(next).next == nil)
    }
  }

  @Test(
    arguments: Transport.allCases,
    [
      "limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "limit", "limit=1.5", "limit=+",
      "limit=99999999999999999999", "after=-1", "after=x", "after=9223372036854775808",
      "limit=2&after=y",
    ])
  func aBadPageIsRefused(_ transport: Transport, _ query: String) async throws {
    try await withService(transport) { client in
      try expectProblem(
        try await client.get("/sessions?\(query)"), 400, "malformed-request")
    }
  }

  @Test(arguments: Transport.allCases)
  func unusualPagesAreServed(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let id = try await client.makeSession()
      #expect(try await client.list("/sessions?after=9223372036854775807").ids == [])
      #expect(try await client.list("/sessions?limit=%31000").ids == [id])
      #expect(try await client.list("/sessions?other=1").ids == [id])
    }
  }

  // MARK: One session

  @Test(arguments: Transport.allCases)
  func anEndedSessionIsGone(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let id = try await client.makeSession()
      let other = try await client.makeSession()
      let ended = try await client.delete("/sessions/\(id)")
      #expect(ended.status == 204)
      #expect(ended.body.isEmpty)
      for (method, path) in [
        ("GET", ""), ("DELETE", ""), ("POST", "/step"), ("POST", "/reset"), ("GET", "/memory"),
      ] {
        let response = try await client.send(
          method, "/sessions/\(id)\(path)", headers: [],
          body: method == "POST" ? Array(#"{"inputs":[]}"#.utf8) : [])
        try expectProblem(
          response, 404, "no-such-session", fields: ["reason": .text("deleted")])
      }
      #expect(try await client.list("/sessions").ids == [other])
    }
  }

  @Test(arguments: Transport.allCases)
  func resetBringsBackTheStart(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      for model in [ServedModel.copy, .mixed, .contentOnly] {
        let id = try await client.makeSession(model.name)
        for input in model.inputs(5) { _ = try await client.step(id, input) }
        let reset = try await client.post("/sessions/\(id)/reset")
        #expect(reset.status == 200)
        #expect(try reset.object()["step"] as? Int == 0)
        #expect(try reset.object()["id"] as? String == id)
        #expect(try await client.get("/sessions/\(id)").object()["step"] as? Int == 0)
        let direct = try DirectSession(model)
        #expect(try await client.memory(id) == direct.memory)
        for input in model.inputs(3, seed: 2) {
          #expect(
            try await client.step(id, input, returning: .all)
              == direct.step(input).with(.all, session: id))
        }
      }
    }
  }

  @Test(arguments: Transport.allCases)
  func useCountsAsActivityAndLookingDoesNot(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let id = try await client.makeSession()
      let made = try SessionResource(try await client.get("/sessions/\(id)"))
      try await Task.sleep(for: .milliseconds(5))
      #expect(try SessionResource(try await client.get("/sessions/\(id)")) == made)
      _ = try await client.step(id, ServedModel.copy.inputs(1)[0])
      let used = try SessionResource(try await client.get("/sessions/\(id)"))
      #expect(used.lastActivity > made.lastActivity)
      #expect(used.createdAt == made.createdAt)
      #expect(used.expiresAt.timeIntervalSince(used.lastActivity) == 3600)
    }
  }
}

/// A session as a client reads it.
struct SessionResource: Equatable {
  let createdAt: Date
  let lastActivity: Date
  let expiresAt: Date

  init(_ response: Response) throws {
    let session = try response.object()
    func time(_ name: String) throws -> Date {
      let text = try #require(session[name] as? String)
      try #require(text.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil, "\(text)")
      return try Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(text)
    }
    createdAt = try time("created_at")
    lastActivity = try time("last_activity")
    expiresAt = try time("expires_at")
  }
}

extension TestClient {
  /// A page of the list of sessions.
  func list(_ target: String) async throws -> (ids: [String], next: String?) {
    let response = try await get(target)
    try #require(response.status == 200, "\(response.text)")
    let object = try response.object()
    let sessions = try #require(object["sessions"] as? [[String: Any]])
    return (sessions.compactMap { $0["id"] as? String }, object["next"] as? String)
  }

  /// The memory matrix by its own route.
  func memory(_ session: String) async throws -> [[Exact]] {
    try await get("/sessions/\(session)/memory").decoded(MemoryResource.self).memory
  }
}

private struct MemoryResource: Decodable {
  let memory: [[Exact]]
}
