import NTMModel
import Testing

@testable import NTMServer

/// `GET /metrics`, through the router and over a live socket.
struct MetricsRouteTests {
  /// Of its own, so that the steps of other tests are not among these.
  private func pool() throws -> ModelPool {
    try ModelPool([
      ServedModel.made("copy", ServedModel.copy.model.configuration),
      ServedModel.made("overflowing", ServedModel.overflowing.model.configuration, value: ones),
    ])
  }

  private let ones: (String, Int) -> Float = { name, index in
    name == "controller.0.weight" && index % 3 != 0 ? 0 : name.hasSuffix("bias") ? 0 : 1
  }

  /// The counter's name with its labels.
  private func requests(_ route: String, _ method: String, _ status: Int) -> String {
    #"ntm_http_requests_total{route="\#(route)",method="\#(method)",status="\#(status)"}"#
  }

  @Test(arguments: Transport.allCases)
  func saysItsFormAndWhatEachFamilyIs(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let response = try await client.get("/metrics")
      #expect(response.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
      #expect(response.text.hasSuffix("\n"))
      let metrics = try await client.metrics()
      #expect(
        metrics.types
          == metrics.types.merging([
            "ntm_steps_total": "counter", "ntm_step_duration_seconds": "histogram",
            "ntm_http_request_duration_seconds": "histogram", "ntm_http_requests_total": "counter",
            "ntm_sessions": "gauge", "ntm_sessions_created_total": "counter",
            "ntm_sessions_ended_total": "counter", "ntm_sessions_rejected_total": "counter",
            "ntm_session_bytes": "gauge", "ntm_model_info": "gauge", "ntm_build_info": "gauge",
            "process_cpu_seconds_total": "counter", "process_max_fds": "gauge",
          ]) { $1 })
      #expect(Set(metrics.help.keys) == Set(metrics.types.keys))
      #expect(metrics[#"ntm_build_info{version="\#(Release.version)"}"#] == 1)
    }
  }

  @Test(arguments: Transport.allCases)
  func stepsAreCountedByModelHoweverTheyCome(_ transport: Transport) async throws {
    try await withService(transport, try pool()) { client in
      let id = try await client.makeSession("copy")
      let input = [Float](repeating: 0, count: 9)
      _ = try await client.step(id, input)
      // Three in a list, two as a stream, one of many sessions; a refused one does not count.
      _ = try await client.post("/sessions/\(id)/step", .steps([input, input, input]))
      _ = try await client.send(
        "POST", "/sessions/\(id)/step", headers: [("Content-Type", "application/x-ndjson")],
        body: Array("\(input.json)\n\(input.json)\n".utf8))
      _ = try await client.post(
        "/step", #"{"steps":[{"session":"\#(id)","input":\#(input.json)}]}"#)
      #expect(try await client.post("/sessions/\(id)/step", #"{"input":[]}"#).status == 422)
      let metrics = try await client.metrics()
      #expect(metrics[#"ntm_steps_total{model="copy"}"#] == 7)
      #expect(metrics[#"ntm_steps_total{model="overflowing"}"#] == 0)
      #expect(metrics[#"ntm_step_duration_seconds_count{model="copy"}"#] == 7)
      #expect(metrics[#"ntm_step_duration_seconds_bucket{model="copy",le="+Inf"}"#] == 7)
      #expect(try #require(metrics[#"ntm_step_duration_seconds_sum{model="copy"}"#]) > 0)
    }
  }

  @Test func stepsThatAreTakenBackAreNoStepsTaken() async throws {
    try await withService(.router, try pool()) { client in
      let id = try await client.makeSession("overflowing")
      let response = try await client.post(
        "/sessions/\(id)/step", #"{"inputs":[[1],[3e38]]}"#)
      try #require(response.status == 422, "\(response.text)")
      let metrics = try await client.metrics()
      #expect(metrics[#"ntm_steps_total{model="overflowing"}"#] == 0)
      #expect(metrics[#"ntm_step_duration_seconds_count{model="overflowing"}"#] == 1)
    }
  }

  @Test(arguments: Transport.allCases)
  func requestsAreCountedByRouteMethodAndStatus(_ transport: Transport) async throws {
    try await withRawService(transport) { client in
      let id = try await client.makeSession()
      for _ in 0..<3 { _ = try await client.step(id, [Float](repeating: 0, count: 9)) }
      _ = try await client.get("/sessions/none")
      _ = try await client.send("HEAD", "/livez", headers: [], body: [])
      _ = try await client.send("PATCH", "/sessions/\(id)", headers: [], body: [])
      func expect(_ route: String, _ method: String, _ status: Int, _ count: Double) async throws {
        let name = requests(route, method, status)
        #expect(try await client.metrics(once: name, is: count)[name] == count)
      }
      try await expect("/sessions", "POST", 201, 1)
      try await expect("/sessions/{id}/step", "POST", 200, 3)
      try await expect("/sessions/{id}", "GET", 404, 1)
      try await expect("/sessions/{id}", "PATCH", 405, 1)
      try await expect("/livez", "HEAD", 200, 1)
      let duration = "ntm_http_request_duration_seconds"
      let durations = #"\#(duration)_count{route="/sessions/{id}/step"}"#
      let metrics = try await client.metrics(once: durations, is: 3)
      #expect(metrics[durations] == 3)
      #expect(try #require(metrics[#"\#(duration)_sum{route="/sessions/{id}/step"}"#]) > 0)
    }
  }

  @Test(arguments: Transport.allCases)
  func whatIsNotKnownMakesNoSeriesOfItsOwn(_ transport: Transport) async throws {
    try await withRawService(transport) { client in
      let unknown = [requests("other", "GET", 404), requests("/livez", "other", 405)]
      func metrics(after range: Range<Int>) async throws -> Metrics {
        for index in range {
          _ = try await client.get("/nothing/\(index)")
          _ = try await client.send("BREW\(index)", "/livez", headers: [], body: [])
        }
        let count = Double(range.upperBound)
        for name in unknown {
          #expect(try await client.metrics(once: name, is: count)[name] == count)
        }
        return try await client.metrics()
      }
      let before = Set(try await metrics(after: 0..<5).names)
      let metrics = try await metrics(after: 5..<10)
      // The first look is itself counted by the second.
      #expect(Set(metrics.names).subtracting(before).allSatisfy { $0.contains("/metrics") })
    }
  }

  @Test(arguments: Transport.allCases)
  func aRefusalBeforeTheRouterHasItsRoute(_ transport: Transport) async throws {
    let options = ServiceOptions.testing { $0.allowedHosts = ["ntm.example"] }
    try await withRawService(transport, .copy, options) { client in
      let refused = try await client.get("/models/copy", headers: [("Host", "other.example")])
      #expect(refused.status == 421)
      let name = requests("/models/{name}", "GET", 421)
      #expect(try await client.metrics(once: name, is: 1)[name] == 1)
    }
  }

  @Test(arguments: Transport.allCases)
  func sessionsAreCountedFromBeginToEnd(_ transport: Transport) async throws {
    let options = ServiceOptions.testing { $0.maxSessions = 2 }
    try await withService(transport, .copy, options) { client in
      let first = try await client.makeSession()
      _ = try await client.makeSession()
      #expect(try await client.post("/sessions").status == 503)
      #expect(try await client.delete("/sessions/\(first)").status == 204)
      let metrics = try await client.metrics()
      #expect(metrics["ntm_sessions"] == 1)
      #expect(metrics["ntm_session_bytes"] == Double(ServedModel.copy.stateBytes))
      #expect(metrics["ntm_sessions_created_total"] == 2)
      #expect(metrics[#"ntm_sessions_ended_total{reason="deleted"}"#] == 1)
      #expect(metrics[#"ntm_sessions_ended_total{reason="expired"}"#] == 0)
      #expect(metrics[#"ntm_sessions_rejected_total{limit="max_sessions"}"#] == 1)
      #expect(metrics[#"ntm_sessions_rejected_total{limit="max_session_bytes"}"#] == 0)
    }
  }

  @Test func modelsAreThereWithWhatTheyAre() async throws {
    try await withService(.router, .several) { client in
      let metrics = try await client.metrics()
      let copy = ServedModel.copy
      #expect(
        metrics[#"ntm_model_info{model="copy",digest="\#(copy.version)",task="copy"}"#] == 1)
    }
  }

  @Test func aCounterGoesOnWhenItsModelIsReplaced() async throws {
    let folder = try TemporaryModels(["copy": .copy])
    let pool = try folder.pool()
    let options = ServiceOptions.testing { $0.allowModelAdmin = true }
    try await withService(.router, pool, options) { client in
      _ = try await client.step(
        try await client.makeSession(), [Float](repeating: 0, count: 9))
      try folder.put(.repeatCopy, as: "copy")
      #expect(try await client.post("/models/copy/load").status == 200)
      _ = try await client.step(
        try await client.makeSession("copy"), [Float](repeating: 0, count: 10))
      #expect(try await client.metrics()[#"ntm_steps_total{model="copy"}"#] == 2)
      #expect(try await client.post("/models/copy/unload").status == 200)
      #expect(try await client.metrics()[#"ntm_steps_total{model="copy"}"#] == 2)
    }
  }

  #if os(Linux)
    @Test func theProcessIsThere() async throws {
      try await withService(.router) { client in
        let metrics = try await client.metrics()
        #expect(try #require(metrics["process_cpu_seconds_total"]) > 0)
        #expect(try #require(metrics["process_resident_memory_bytes"]) > 1e6)
        let open = try #require(metrics["process_open_fds"])
        #expect(open > 2)
        #expect(try #require(metrics["process_max_fds"]) >= open)
        // After 2020, and not in the future.
        let started = try #require(metrics["process_start_time_seconds"])
        #expect(started > 1.6e9 && started <= Double(Timestamp.now.milliseconds) / 1000 + 1)
      }
    }
  #endif
}
