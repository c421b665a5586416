import Testing

@testable import NTMServer

/// Many streams at once; run under the thread sanitizer too.
@Suite struct StreamConcurrencyTests {
  /// Streams on the same session follow one another; on others they go on side by side.
  @Test func streamsOfManyClientsAreEachWhole() async throws {
    let inputs = ServedModel.copy.inputs(300)
    let body = Array(inputs.map { $0.json + "\n" }.joined().utf8)
    try await withLiveService { port in
      let sessions = try (0..<3).map { _ in try SocketClient(port: port).makeSession() }
      let replies = try onThreads(9) { index in
        try SocketClient(port: port).exchange(
          "POST", "/sessions/\(sessions[index % 3])/step?return=output",
          headers: [("Content-Type", "application/x-ndjson")], body: body
        ).text
      }
      for (number, session) in sessions.enumerated() {
        let direct = try DirectSession(.copy)
        let expected = try (0..<3).flatMap { _ in
          try inputs.map { try direct.step($0).with(.output, session: session) }
        }
        let mine = try replies.indices.filter { $0 % 3 == number }.map { index in
          try replies[index].split(separator: "\n").map { line in
            try Response(status: 200, headers: [], body: Array(line.utf8)).decoded(StepResult.self)
          }
        }
        #expect(mine.sorted { $0[0].step < $1[0].step }.flatMap { $0 } == expected)
      }
    }
  }

  /// Watchers come and go while streams, steps and resets change what they see.
  @Test func watchersComeAndGoWhileTheSessionChanges() async throws {
    let inputs = ServedModel.copy.inputs(40)
    let body = Array(inputs.map { $0.json + "\n" }.joined().utf8)
    try await withLiveService { port in
      let session = try SocketClient(port: port).makeSession()
      let counts = try onThreads(8) { index in
        for round in 0..<5 {
          if index < 4 {
            let watcher = try EventReader(port: port, "/sessions/\(session)/events?return=output")
            _ = try watcher.next()
            watcher.close()
          } else if index < 6 {
            let reply = try SocketClient(port: port).exchange(
              "POST", "/sessions/\(session)/step?return=",
              headers: [("Content-Type", "application/x-ndjson")], body: body)
            guard reply.text.split(separator: "\n").count == 40 else { return round }
          } else {
            let client = try SocketClient(port: port)
            for input in inputs { _ = try client.step(session, input) }
          }
        }
        return 5
      }
      #expect(counts == Array(repeating: 5, count: 8))
      let step = try SocketClient(port: port).exchange("GET", "/sessions/\(session)").object()[
        "step"]
      #expect(step as? Int == 4 * 5 * 40)
    }
  }
}
