import Testing

@testable import NTMServer

/// Watching a session. Over a socket alone: a watcher's request does not end by itself.
@Suite struct EventRouteTests {
  private static let inputs = ServedModel.copy.inputs(30)

  private static func results(_ events: [EventReader.Event]) throws -> [StepResult] {
    try events.map { event in
      #expect(event.name == "step")
      return try Response(status: 200, headers: [], body: Array(event.data.utf8)).decoded()
    }
  }

  @Test func everyStepIsSeenHoweverItIsTaken() async throws {
    try await withLiveService { port in
      let client = try SocketClient(port: port)
      let session = try client.makeSession()
      _ = try client.step(session, Self.inputs[0])
      let watcher = try EventReader(port: port, "/sessions/\(session)/events")
      let greeting = try #require(try watcher.next())
      #expect(greeting.name == "session")
      #expect(try greeting.object()["session"] as? String == session)
      #expect(try greeting.object()["model"] as? String == "copy")
      #expect(greeting.step == 1)

      _ = try client.step(session, Self.inputs[1])
      _ = try client.post(
        "/sessions/\(session)/step", .steps(Array(Self.inputs[2..<5]), returning: .output))
      _ = try client.exchange(
        "POST", "/sessions/\(session)/step?return=",
        headers: [("Content-Type", "application/x-ndjson")],
        body: Array(Self.inputs[5..<15].map { $0.json + "\n" }.joined().utf8))
      let items = Self.inputs[15..<17].map { #"{"session":"\#(session)","input":\#($0.json)}"# }
      _ = try client.post("/step", #"{"steps":[\#(items.joined(separator: ","))]}"#)

      let direct = try DirectSession(.copy)
      let expected = try Self.inputs[..<17].map {
        try direct.step($0).with(.standard, session: session)
      }
      let events = try watcher.next(16)
      #expect(try Self.results(events) == Array(expected[1...]))
      let first = try #require(greeting.id)
      #expect(first.step == 1)
      #expect(
        events.map(\.id)
          == (1...16).map {
            EventID(epoch: first.epoch, number: first.number + $0, step: 1 + $0)
          })
    }
  }

  /// What a watcher is told first fits the events that follow, also where it begins between two steps.
  @Test func noStepIsLostBetweenTheGreetingAndTheFirst() async throws {
    try await withLiveService { port in
      let session = try SocketClient(port: port).makeSession()
      let isOver = Monitor(false)
      let body = String.steps(Array(Self.inputs[..<20]), returning: [])
      let stepping = try SystemThread {
        guard let client = try? SocketClient(port: port) else { return }
        while !isOver.withLock({ $0 }), (try? client.post("/sessions/\(session)/step", body)) != nil
        {}
      }
      defer {
        isOver.withLock { $0 = true }
        stepping.join()
      }
      // Fewer than a session may have, because those that have left are found after a second.
      for _ in 0..<SessionEvents.watcherLimit - 4 {
        let watcher = try EventReader(port: port, "/sessions/\(session)/events?return=")
        let greeting = try #require(try watcher.next())
        let first = try #require(try watcher.next())
        // On a machine that stood still in between.
        if first.name == "missed" { continue }
        #expect(try first.id?.number == #require(greeting.id).number + 1)
        #expect(try first.step == #require(greeting.step) + 1)
      }
    }
  }

  @Test func watchersChooseTheirFields() async throws {
    try await withLiveService { port in
      let client = try SocketClient(port: port)
      let session = try client.makeSession()
      let choices: [(query: String, fields: StepResult.Fields)] = [
        ("", .standard), ("?return=", []), ("?return=output", .output),
        ("?return=input,output,read_weightings,write_weightings,read_vectors,memory,heads", .all),
        ("?return=output", .output),
      ]
      let watchers = try choices.map {
        try EventReader(port: port, "/sessions/\(session)/events\($0.query)")
      }
      for watcher in watchers { #expect(try watcher.next()?.name == "session") }
      for input in Self.inputs {
        _ = try client.post("/sessions/\(session)/step", .step(input, returning: .output))
      }
      for (watcher, choice) in zip(watchers, choices) {
        let direct = try DirectSession(.copy)
        #expect(
          try Self.results(watcher.next(Self.inputs.count))
            == Self.inputs.map { try direct.step($0).with(choice.fields, session: session) })
      }
    }
  }

  @Test func whatWasRefusedIsNotSeen() async throws {
    try await withLiveService(.several) { port in
      let client = try SocketClient(port: port)
      let session = try client.makeSession("overflowing")
      let watcher = try EventReader(port: port, "/sessions/\(session)/events?return=")
      _ = try watcher.next()
      // The second overflows, so that the first is taken back.
      #expect(
        try client.post("/sessions/\(session)/step", #"{"inputs": [[1], [3e38]]}"#).status == 422)
      #expect(try client.post("/sessions/\(session)/step", #"{"input": [3e38]}"#).status == 422)
      #expect(try client.post("/sessions/\(session)/step", #"{"input": [1]}"#).status == 200)
      let event = try #require(try watcher.next())
      #expect(event.name == "step" && event.step == 1)
    }
  }

  @Test func whatElseHappensIsSeenToo() async throws {
    try await withLiveService { port in
      let client = try SocketClient(port: port)
      let session = try client.makeSession()
      _ = try client.step(session, Self.inputs[0])
      let state = try client.exchange("GET", "/sessions/\(session)/state").body
      let watcher = try EventReader(port: port, "/sessions/\(session)/events?return=")
      _ = try watcher.next()
      _ = try client.step(session, Self.inputs[1])
      _ = try client.post("/sessions/\(session)/reset")
      #expect(try client.exchange("PUT", "/sessions/\(session)/state", body: state).status == 200)
      #expect(try client.exchange("DELETE", "/sessions/\(session)").status == 204)
      let events = try watcher.rest()
      #expect(events.map(\.name) == ["step", "reset", "state", "end"])
      #expect(events.prefix(3).map(\.step) == [2, 0, 1])
      #expect(events.map(\.id?.step) == [2, 0, 1, 1])
      #expect(try events[3].object()["reason"] as? String == "deleted")
      let gone = try client.exchange("GET", "/sessions/\(session)/events")
      try expectProblem(gone, 404, "no-such-session")
    }
  }

  @Test func expiryIsSeen() async throws {
    try await withLiveService { port in
      let client = try SocketClient(port: port)
      let made = try client.post("/sessions", #"{"keep_alive": 0.3}"#)
      let session = try #require(made.object()["id"] as? String)
      let watcher = try EventReader(port: port, "/sessions/\(session)/events")
      _ = try watcher.next()
      pause(milliseconds: 350)
      // Asking for it ends it, where nothing has yet.
      #expect(try client.exchange("GET", "/sessions/\(session)").status == 404)
      let end = try watcher.rest()
      #expect(end.map(\.name) == ["end"])
      #expect(try end[0].object()["reason"] as? String == "expired")
    }
  }

  @Test func watchersAreToldThatTheServerStops() async throws {
    let service = try Service(pool: .copy, options: .testing(), logger: .silent)
    try service.start()
    let port = try #require(service.port)
    let session = try SocketClient(port: port).makeSession()
    let watchers = try (0..<3).map { _ in
      try EventReader(port: port, "/sessions/\(session)/events")
    }
    for watcher in watchers { _ = try watcher.next() }
    #expect(service.stop(drainTimeout: .seconds(SocketClient.timeoutSeconds)) == .drained)
    for watcher in watchers {
      let events = try watcher.rest()
      #expect(events.map(\.name) == ["end"])
      #expect(try events[0].object()["reason"] as? String == "stopping")
    }
  }

  // MARK: Coming back

  @Test func aWatcherThatComesBackGetsWhatHappenedMeanwhile() async throws {
    try await withLiveService { port in
      let client = try SocketClient(port: port)
      let session = try client.makeSession()
      let path = "/sessions/\(session)/events?return=output"
      let first = try EventReader(port: port, path)
      _ = try first.next()
      for input in Self.inputs[..<5] { _ = try client.step(session, input) }
      let seen = try first.next(3)
      first.close()
      for input in Self.inputs[5..<20] { _ = try client.step(session, input) }
      let last = try #require(seen.last?.id)
      let second = try EventReader(
        port: port, path, headers: [("Last-Event-ID", "\(last)")])
      let greeting = try #require(try second.next())
      // Else whoever leaves now would come back behind what it has not seen.
      #expect(greeting.name == "session" && greeting.id == nil)
      _ = try client.step(session, Self.inputs[20])
      let direct = try DirectSession(.copy)
      let expected = try Self.inputs[..<21].map {
        try direct.step($0).with(.output, session: session)
      }
      #expect(try Self.results(seen + second.next(18)) == expected)
    }
  }

  @Test func whatIsTooOldHasBeenMissed() async throws {
    let count = EventHistory.limit + 100
    try await withLiveService { port in
      let client = try SocketClient(port: port)
      let session = try client.makeSession()
      let path = "/sessions/\(session)/events?return="
      let first = try EventReader(port: port, path)
      let start = try #require(try first.next()?.id)
      first.close()
      let inputs = ServedModel.copy.inputs(count)
      _ = try client.post("/sessions/\(session)/step", .steps(inputs, returning: []))
      let second = try EventReader(port: port, path, headers: [("Last-Event-ID", "\(start)")])
      let events = try second.next(2 + EventHistory.limit)
      #expect(events[1].name == "missed")
      #expect(events[1].data == #"{"missed":100}"#)
      #expect(events[2...].map(\.step) == (101...count).map { $0 })
      // One that asks for other fields has missed them all, as nobody watched these.
      let other = try EventReader(
        port: port, "/sessions/\(session)/events?return=output",
        headers: [("Last-Event-ID", "\(start)")])
      _ = try other.next()
      #expect(try other.next()?.data == #"{"missed":\#(count)}"#)
    }
  }

  @Test(arguments: ["x", "-1", "1.5", "5c-1", "5c-x-1", "5c-1-2-3"]) func aWrongLastEventIsRefused(
    _ id: String
  ) async throws {
    try await withLiveService { port in
      let client = try SocketClient(port: port)
      let session = try client.makeSession()
      let refused = try client.exchange(
        "GET", "/sessions/\(session)/events", headers: [("Last-Event-ID", id)])
      try expectProblem(
        refused, 400, "malformed-request",
        detail: "Last-Event-ID is \"\(id)\"; it is the id of an event, such as 5c2f91-7-12")
    }
  }

  // MARK: Slow and many

  /// It reads nothing while steps are taken whose results no socket holds.
  @Test func aSlowWatcherHoldsNothingUpAndIsToldWhatItMissed() async throws {
    let count = 600
    try await withLiveService { port in
      let client = try SocketClient(port: port)
      let session = try client.makeSession()
      let watcher = try EventReader(
        port: port, "/sessions/\(session)/events?return=memory,read_weightings")
      let start = try #require(try watcher.next()?.id).number
      let inputs = ServedModel.copy.inputs(count)
      let reply = try client.exchange(
        "POST", "/sessions/\(session)/step?return=",
        headers: [("Content-Type", "application/x-ndjson")],
        body: Array(inputs.map { $0.json + "\n" }.joined().utf8))
      #expect(reply.text.split(separator: "\n").count == count)
      #expect(try client.exchange("DELETE", "/sessions/\(session)").status == 204)
      var (received, missed, last) = (0, 0, start)
      for event in try watcher.rest() {
        if event.name == "missed" {
          let now = try #require(event.object()["missed"] as? Int)
          missed += now
          last += now
        } else {
          received += 1
          #expect(event.id?.number == last + 1)
          last = event.id?.number ?? last
        }
      }
      // With the end.
      #expect(received + missed == count + 1)
      #expect(missed > 0)
      #expect(received > 10)
    }
  }

  @Test func onlySoManyWatch() async throws {
    try await withLiveService { port in
      let client = try SocketClient(port: port)
      let session = try client.makeSession()
      let path = "/sessions/\(session)/events"
      let watchers = try (0..<SessionEvents.watcherLimit).map { _ in
        try EventReader(port: port, path)
      }
      for watcher in watchers { _ = try watcher.next() }
      try expectProblem(
        try client.exchange("GET", path), 503, "limit-reached",
        fields: ["limit": .number(SessionEvents.watcherLimit)])
      watchers[0].close()
      // The server looks about once a second for clients that have left.
      let deadline = testDeadline()
      var status = 503
      while status == 503, monotonicNanoseconds() < deadline {
        pause(milliseconds: 50)
        let other = try SocketClient(port: port)
        try other.send("GET", path)
        status = try other.receiveHead().status
      }
      #expect(status == 200)
    }
  }

  @Test func eventsTakeMemoryFromSessions() async throws {
    // Half of it is for events.
    let options = ServiceOptions.testing { $0.maxSessionBytes = 2 * EventChannel.firstBytes + 1 }
    let pool = try ModelPool([.mixed])
    try await withLiveService(pool, options) { port in
      let client = try SocketClient(port: port)
      let (first, second) = (try client.makeSession(), try client.makeSession())
      let watcher = try EventReader(port: port, "/sessions/\(first)/events")
      _ = try watcher.next()
      let same = try EventReader(port: port, "/sessions/\(first)/events")
      _ = try same.next()
      try expectProblem(
        try client.exchange("GET", "/sessions/\(second)/events"), 503, "limit-reached",
        fields: ["limit": .text("max_session_bytes")])
      #expect(try client.exchange("DELETE", "/sessions/\(first)").status == 204)
      _ = try EventReader(port: port, "/sessions/\(second)/events").next()
    }
  }

  @Test func headOfEventsHasNoBody() async throws {
    try await withLiveService { port in
      let client = try SocketClient(port: port)
      let session = try client.makeSession()
      let reply = try client.exchange("HEAD", "/sessions/\(session)/events")
      #expect(reply.status == 200 && reply.body.isEmpty)
    }
  }

  @Test(arguments: [Transport.router, .socket])
  func headOfEventsReservesNothing(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      let before = try await client.metrics()["ntm_session_bytes"]
      for top in 1...200 {
        let reply = try await client.send(
          "HEAD", "/sessions/\(session)/events?top=\(top)", headers: [], body: [])
        #expect(reply.status == 200)
      }
      #expect(try await client.metrics()["ntm_session_bytes"] == before)
      // What GET refuses, HEAD does too.
      for query in ["top=0", "return=x", "encoding=x"] {
        let reply = try await client.send(
          "HEAD", "/sessions/\(session)/events?\(query)", headers: [], body: [])
        #expect(reply.status == 400)
      }
    }
  }
}
