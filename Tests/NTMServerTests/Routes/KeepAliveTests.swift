import Foundation
import Testing

@testable import NTMServer

/// How long sessions are kept, and what is said of those that ended.
extension RouteTests {
  @Test(arguments: Transport.allCases)
  func aSessionIsKeptAsLongAsItAsks(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let response = try await client.post("/sessions", #"{"keep_alive": 7200.5}"#)
      #expect(response.status == 201)
      #expect(try response.object()["keep_alive"] as? Double == 7200.5)
      let resource = try SessionResource(response)
      #expect(
        abs(resource.expiresAt.timeIntervalSince(resource.lastActivity) - 7200.5) < 0.0015)
      let id = try #require(try response.object()["id"] as? String)
      let fork = try await client.post("/sessions/\(id)/fork")
      #expect(try fork.object()["keep_alive"] as? Double == 7200.5)
      let shorter = try await client.post("/sessions/\(id)/fork", #"{"keep_alive": 1}"#)
      #expect(try shorter.object()["keep_alive"] as? Double == 1)
    }
  }

  @Test(arguments: Transport.allCases)
  func aSessionIsKeptForEverWhereTheOperatorAllowsIt(_ transport: Transport) async throws {
    let options = ServiceOptions.testing { $0.longestKeepAlive = nil }
    try await withService(transport, .copy, options) { client in
      let response = try await client.post("/sessions", #"{"keep_alive": "never"}"#)
      #expect(response.status == 201)
      #expect(try response.object()["keep_alive"] is NSNull)
      #expect(try response.object()["expires_at"] is NSNull)
    }
    try await withService(transport) { client in
      try expectProblem(
        try await client.post("/sessions", #"{"keep_alive": "never"}"#), 422, "keep-alive")
      try expectProblem(
        try await client.post("/sessions", #"{"keep_alive": 86401}"#), 422, "keep-alive")
    }
  }

  @Test(arguments: Transport.allCases, ["0", "-1", #""10""#, "null", "[]", "true", "9.3e15"])
  func aTimeThatIsNoneIsRefused(_ transport: Transport, _ value: String) async throws {
    try await withService(transport) { client in
      try expectProblem(
        try await client.post("/sessions", #"{"keep_alive": \#(value)}"#), 400,
        "malformed-request")
      #expect(try await client.list("/sessions").ids.isEmpty)
    }
  }

  @Test(arguments: Transport.allCases)
  func anEndedSessionSaysHowItEnded(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let deleted = try await client.makeSession()
      _ = try await client.delete("/sessions/\(deleted)")
      let brief = try await client.post("/sessions", #"{"keep_alive": 0.001}"#).object()
      let expired = try #require(brief["id"] as? String)
      pause(milliseconds: 10)
      for (id, reason) in [(deleted, "deleted"), (expired, "expired")] {
        for target in ["/sessions/\(id)", "/sessions/\(id)/memory"] {
          let response = try await client.get(target)
          try expectProblem(
            response, 404, "no-such-session", fields: ["reason": .text(reason)])
          #expect(try response.object()["ended_at"] is String)
        }
      }
      try expectProblem(
        try await client.get("/sessions/never-was"), 404, "no-such-session",
        detail: "there is no session \"never-was\": it never was, or its end has been forgotten")
    }
  }

  @Test func theOldestEndingsAreForgotten() {
    var ended = EndedSessions()
    let ending = SessionEnding(reason: .expired, at: Timestamp(milliseconds: 1))
    for number in 0..<EndedSessions.limit + 5 { ended.add("\(number)", ending) }
    #expect(ended["4"] == nil)
    #expect(ended["5"] == ending)
    #expect(ended["\(EndedSessions.limit + 4)"] == ending)
  }
}
