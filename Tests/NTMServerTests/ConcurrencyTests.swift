import NTMModel
import Testing

@testable import NTMServer

/// Many clients at once, over live sockets. Results are those of a single thread, bit for bit, and
/// no step is lost or taken twice. `make test-thread-sanitizer` runs what has "Concurrency" in its
/// name.
@Suite(.serialized) struct ConcurrencyTests {
  static let clients = 64

  // MARK: Steps

  @Test(arguments: ["copy", "mixed"])
  func sessionsOfTheirOwnStepAsIfAlone(_ name: String) async throws {
    let model = try #require(ModelPool.several[name])
    let steps = name == "copy" ? 6 : 20
    try await withLiveService(.several) { port in
      let agree = try onThreads(Self.clients) { index in
        let client = try SocketClient(port: port)
        let id = try client.makeSession(name)
        let direct = try DirectSession(model)
        return try model.inputs(steps, seed: UInt64(index)).allSatisfy { input in
          try client.step(id, input) == direct.step(input).with(.all, session: id)
        }
      }
      #expect(agree == Array(repeating: true, count: Self.clients))
    }
  }

  /// All send the same input, so that the n-th step gives the same whoever takes it.
  @Test(arguments: [1, 4])
  func aSharedSessionTakesEveryStepOnce(_ sessions: Int) async throws {
    let steps = 10
    let input: [Float] = [1, 0, 1]
    try await withLiveService(.several) { port in
      let ids = try (0..<sessions).map { _ in try SocketClient(port: port).makeSession("mixed") }
      let results = try onThreads(Self.clients) { index in
        let client = try SocketClient(port: port)
        return try (0..<steps).map { _ in try client.step(ids[index % sessions], input) }
      }
      for (number, id) in ids.enumerated() {
        let mine = results.indices.filter { $0 % sessions == number }.map { results[$0] }
        // No client sees the session go back.
        for client in mine { #expect(client.map(\.step) == client.map(\.step).sorted()) }
        let direct = try DirectSession(.mixed)
        let expected = try (0..<Self.clients / sessions * steps).map { _ in
          try direct.step(input).with(.all, session: id)
        }
        #expect(mine.joined().sorted { $0.step < $1.step } == expected)
        #expect(
          try SocketClient(port: port).exchange("GET", "/sessions/\(id)").object()["step"] as? Int
            == expected.count)
      }
    }
  }

  /// Requests for the same sessions in different orders, some of which they hold while they ask for
  /// the others: nobody waits for ever, and no step is lost or taken twice.
  @Test func stepsOfManySessionsAreTakenOnceInAnyOrder() async throws {
    let (count, rounds) = (12, 10)
    let input: [Float] = [1, 0, 1]
    try await withLiveService(.several) { port in
      let ids = try (0..<count).map { _ in try SocketClient(port: port).makeSession("mixed") }
      let results = try onThreads(16) { index in
        let client = try SocketClient(port: port)
        var generator = SplitMix(seed: UInt64(index))
        return try (0..<rounds).flatMap { _ in
          let order = ids.shuffled(using: &generator)
          let items = order.map { #"{"session": "\#($0)", "input": \#(input.json)}"# }
          let response = try client.post(
            "/step",
            #"{"steps": [\#(items.joined(separator: ","))], "return": \#(StepResult.Fields.all.json)}"#
          )
          try #require(response.status == 200, "\(response.text)")
          let steps = try response.decoded(StepResults.self).steps
          #expect(steps.map(\.session) == order)
          return steps
        }
      }
      for id in ids {
        let direct = try DirectSession(.mixed)
        let expected = try (0..<16 * rounds).map { _ in
          try direct.step(input).with(.all, session: id)
        }
        let mine = results.joined().filter { $0.session == id }
        #expect(mine.sorted { $0.step < $1.step } == expected)
      }
    }
  }

  /// The inputs of a request follow one another with nothing between, whoever else steps.
  @Test func severalInputsAreOneActOnASharedSession() async throws {
    let input: [Float] = [0, 1, 1]
    try await withLiveService(.several) { port in
      let id = try SocketClient(port: port).makeSession("mixed")
      let results = try onThreads(16) { index in
        let client = try SocketClient(port: port)
        return try (1...6).map { round in
          // Some are long enough for a worker, some run on the loop.
          let count = index.isMultiple(of: 2) ? 1 : round * 30
          let response = try client.post(
            "/sessions/\(id)/step",
            .steps(Array(repeating: input, count: count), returning: [.output]))
          try #require(response.status == 200, "\(response.text)")
          return try response.decoded(StepResults.self).steps
        }
      }
      let direct = try DirectSession(.mixed)
      let batches = results.joined().sorted { $0[0].step < $1[0].step }
      let expectedSteps = 8 * 6 + 8 * 30 * 21
      #expect(batches.joined().count == expectedSteps)
      for batch in batches {
        #expect(
          try batch == batch.map { _ in try direct.step(input).with([.output], session: id) })
      }
    }
  }

  /// A request that is refused in its midst leaves nothing behind, however many run at once.
  @Test func refusedRequestsLeaveNothingBehind() async throws {
    try await withLiveService(.several) { port in
      let id = try SocketClient(port: port).makeSession("overflowing")
      let results = try onThreads(16) { index in
        let client = try SocketClient(port: port)
        return try (0..<10).map { _ -> StepResult? in
          if index.isMultiple(of: 2) { return try client.step(id, [0.5]) }
          let response = try client.post(
            "/sessions/\(id)/step", .steps([[1], [0.25], [3e38]], returning: []))
          try expectProblem(response, 422, "not-finite")
          return nil
        }
      }
      let direct = try DirectSession(.overflowing)
      let expected = try (0..<80).map { _ in try direct.step([0.5]).with(.all, session: id) }
      #expect(results.joined().compactMap { $0 }.sorted { $0.step < $1.step } == expected)
    }
  }

  @Test func aLongRequestDoesNotChangeOthers() async throws {
    let long = ServedModel.copy.inputs(400, seed: 5)
    try await withLiveService { port in
      let results = try onThreads(9) { index in
        let client = try SocketClient(port: port)
        let id = try client.makeSession()
        let direct = try DirectSession(.copy)
        if index == 0 {
          let response = try client.post("/sessions/\(id)/step", .steps(long, returning: .standard))
          try #require(response.status == 200, "\(response.text)")
          let results = try response.decoded(StepResults.self).steps
          return try results == long.map { try direct.step($0).with(.standard, session: id) }
        }
        return try ServedModel.copy.inputs(8, seed: UInt64(index)).allSatisfy { input in
          try client.step(id, input) == direct.step(input).with(.all, session: id)
        }
      }
      #expect(results == Array(repeating: true, count: 9))
    }
  }

  /// Reading a session while it steps shows a state between two steps, never one within.
  @Test func memoryIsThatOfAWholeStep() async throws {
    let input: [Float] = [1, 1, 0]
    let steps = 200
    let direct = try DirectSession(.mixed)
    var memories = [direct.memory]
    for _ in 0..<steps { memories.append(try #require(try direct.step(input).memory)) }
    let expected = memories
    try await withLiveService(.several) { port in
      let id = try SocketClient(port: port).makeSession("mixed")
      let agree = try onThreads(8) { index in
        let client = try SocketClient(port: port)
        if index < 4 {
          return try (0..<steps / 4).allSatisfy { _ in
            let result = try client.step(id, input)
            return result.memory == expected[result.step]
          }
        }
        return try (0..<steps / 4).allSatisfy { _ in
          let response = try client.exchange("GET", "/sessions/\(id)/memory")
          let resource = try response.decoded(MemoryAtStep.self)
          return resource.memory == expected[resource.step]
        }
      }
      #expect(agree == Array(repeating: true, count: 8))
    }
  }

  private struct MemoryAtStep: Decodable {
    let step: Int
    let memory: [[Exact]]
  }

  // MARK: Making and ending

  @Test func sessionsComeAndGo() async throws {
    let options = ServiceOptions.testing { $0.maxSessions = 200 }
    try await withLiveService(.several, options) { port in
      let kept = try onThreads(Self.clients) { index -> String in
        let client = try SocketClient(port: port)
        let kept = try client.makeSession("mixed")
        for _ in 0..<5 {
          let id = try client.makeSession("mixed")
          let direct = try DirectSession(.mixed)
          #expect(
            try client.step(id, [1, 0, 0]) == direct.step([1, 0, 0]).with(.all, session: id))
          #expect(try client.exchange("GET", "/sessions?limit=1000").status == 200)
          #expect(try client.post("/sessions/\(id)/reset").status == 200)
          #expect(try client.exchange("DELETE", "/sessions/\(id)").status == 204)
          try expectProblem(
            try client.post("/sessions/\(id)/step", .step([1, 0, 0])), 404, "no-such-session")
        }
        return kept
      }
      let client = try SocketClient(port: port)
      let list = try client.exchange("GET", "/sessions?limit=1000").object()
      let ids = try #require(list["sessions"] as? [[String: Any]]).compactMap {
        $0["id"] as? String
      }
      #expect(Set(ids) == Set(kept) && ids.count == Self.clients)
      // The room of those that have gone is free again: 200 fit, no more and no less.
      for _ in 0..<(200 - Self.clients) { _ = try client.makeSession("mixed") }
      try expectProblem(
        try client.post("/sessions", #"{"model":"mixed"}"#), 503, "limit-reached")
    }
  }

  @Test func theLimitHoldsHoweverManyMakeSessionsAtOnce() async throws {
    let options = ServiceOptions.testing { $0.maxSessions = 20 }
    try await withLiveService(.several, options) { port in
      let statuses = try onThreads(Self.clients) { _ in
        try SocketClient(port: port).post("/sessions", #"{"model":"mixed"}"#).status
      }
      #expect(statuses.count { $0 == 201 } == 20)
      #expect(statuses.count { $0 == 503 } == Self.clients - 20)
    }
  }

  @Test func aSessionIsEndedByOneOfMany() async throws {
    try await withLiveService(.several) { port in
      for _ in 0..<5 {
        let id = try SocketClient(port: port).makeSession("mixed")
        let statuses = try onThreads(16) { _ in
          try SocketClient(port: port).exchange("DELETE", "/sessions/\(id)").status
        }
        #expect(statuses.sorted() == [204] + Array(repeating: 404, count: 15))
      }
    }
  }

  /// Every step happened before the end or not at all.
  @Test func endingWhileOthersStep() async throws {
    let input: [Float] = [1, 0, 1]
    try await withLiveService(.several) { port in
      let id = try SocketClient(port: port).makeSession("mixed")
      let results = try onThreads(16) { index -> [StepResult] in
        let client = try SocketClient(port: port)
        if index == 0 {
          // A long request, and the end right behind it.
          let response = try client.post(
            "/sessions/\(id)/step", .steps(Array(repeating: input, count: 500), returning: []))
          #expect(try client.exchange("DELETE", "/sessions/\(id)").status == 204)
          return try response.decoded(StepResults.self).steps
        }
        var results: [StepResult] = []
        while true {
          let response = try client.post(
            "/sessions/\(id)/step", .step(input, returning: []))
          guard response.status == 200 else {
            try expectProblem(response, 404, "no-such-session")
            return results
          }
          results.append(try response.decoded())
        }
      }
      let steps = results.joined().map(\.step).sorted()
      #expect(steps == Array(1...steps.count))
      try expectProblem(
        try SocketClient(port: port).exchange("GET", "/sessions/\(id)"), 404, "no-such-session")
    }
  }

  /// Sessions end under the hands of those who step them slowly; once ended, they stay so.
  @Test func sessionsExpireWhileOthersStep() async throws {
    let options = ServiceOptions.testing {
      $0.sessionTimeToLive = 0.02
      $0.maxSessions = 1000
    }
    try await withLiveService(.several, options) { port in
      let outcomes = try onThreads(16) { index -> Bool in
        let client = try SocketClient(port: port)
        let id = try client.makeSession("mixed")
        var step = 0
        while true {
          let response = try client.post("/sessions/\(id)/step", .step([1, 0, 1], returning: []))
          guard response.status == 200 else {
            try expectProblem(response, 404, "no-such-session")
            return try client.exchange("GET", "/sessions/\(id)").status == 404
          }
          step += 1
          #expect(try response.decoded(StepResult.self).step == step)
          // Longer and longer pauses: sooner or later it has expired.
          pause(milliseconds: step)
        }
      }
      #expect(outcomes == Array(repeating: true, count: 16))
      let list = try SocketClient(port: port).exchange("GET", "/sessions").object()
      #expect((list["sessions"] as? [Any])?.isEmpty == true)
    }
  }

  // MARK: Stopping

  /// Every request is answered or refused; none hangs, and none is answered twice.
  @Test func stoppingAnswersOrRefusesEverything() async throws {
    let service = try Service(pool: .several, options: .testing(), logger: .silent)
    try service.start()
    let port = try #require(service.port)
    let long = String.steps(Array(repeating: [1, 0, 1], count: 300), returning: [])
    let id = try SocketClient(port: port).makeSession("mixed")
    let ready = Monitor(0)
    let results = try onThreads(17) { index -> [Int] in
      if index == 16 {
        // Where a client fails, not all get ready.
        let patience = UInt64(SocketClient.timeoutSeconds) * 1_000_000_000
        _ = ready.wait(until: monotonicNanoseconds() + patience) { $0 >= 16 ? () : nil }
        #expect(service.stop(drainTimeout: .seconds(60)) == .drained)
        return []
      }
      guard let client = try? SocketClient(port: port) else { return [] }
      var steps: [Int] = []
      while true {
        let response: Response
        do {
          let body = index.isMultiple(of: 2) ? long : .step([1, 0, 1], returning: [])
          response = try client.post("/sessions/\(id)/step", body)
        } catch SocketClient.Failure.closed(after: 0), SocketClient.Failure.send {
          // The server closed an idle connection before it saw the request.
          return steps
        }
        guard response.status == 200 else {
          try expectProblem(response, 503, "stopping")
          #expect(response.header("Retry-After") != nil)
          return steps
        }
        steps +=
          index.isMultiple(of: 2)
          ? try response.decoded(StepResults.self).steps.map(\.step)
          : [try response.decoded(StepResult.self).step]
        ready.withLock { $0 += 1 }
        ready.broadcast()
        if response.header("Connection") == "close" { return steps }
      }
    }
    let steps = results.joined().sorted()
    #expect(steps == Array(1...steps.count))
    #expect((try? SocketClient(port: port)) == nil)
  }
}
