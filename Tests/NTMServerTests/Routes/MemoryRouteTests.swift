import NTMModel
import Testing

@testable import NTMServer

extension RouteTests {
  @Test(arguments: Transport.allCases)
  func memoryIsAMatrix(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      for model in [ServedModel.copy, .mixed] {
        let id = try await client.makeSession(model.name)
        let direct = try DirectSession(model)
        for input in model.inputs(4) {
          let response = try await client.get("/sessions/\(id)/memory")
          #expect(response.status == 200)
          #expect(response.header("Content-Type") == "application/json")
          #expect(response.header("Vary")?.hasPrefix("Accept") == true)
          let object = try response.object()
          #expect(object["session"] as? String == id)
          #expect(object["step"] as? Int == direct.steps)
          #expect(object["rows"] as? Int == model.model.configuration.memory.rows)
          #expect(object["columns"] as? Int == model.model.configuration.memory.columns)
          #expect(try await client.memory(id) == direct.memory)
          _ = try await client.step(id, input)
          _ = try direct.step(input)
        }
      }
    }
  }

  @Test(arguments: Transport.allCases)
  func memoryIsCSVWhereThatIsAskedFor(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      let id = try await client.makeSession("mixed")
      let direct = try DirectSession(.mixed)
      for input in ServedModel.mixed.inputs(3) {
        _ = try await client.step(id, input)
        _ = try direct.step(input)
      }
      let response = try await client.get(
        "/sessions/\(id)/memory", headers: [("Accept", "text/csv")])
      #expect(response.status == 200)
      #expect(response.header("Content-Type") == "text/csv")
      #expect(response.header("Vary") == "Accept")
      #expect(response.text.hasSuffix("\n"))
      let rows = response.text.split(separator: "\n").map { line in
        line.split(separator: ",").compactMap { Float($0).map(Exact.init) }
      }
      #expect(rows == direct.memory)
    }
  }

  /// A matrix with more numbers than an event loop writes.
  @Test(arguments: Transport.allCases)
  func aLargeMemoryIsServed(_ transport: Transport) async throws {
    let model = ServedModel.made(
      "large",
      Configuration(
        inputSize: 1, outputSize: 1, memory: MemoryShape(rows: 3000, columns: 7),
        controller: Controller(kind: .lstm, units: 4), heads: [.read, .write],
        dialect: Preset.paper.dialect))
    try await withService(transport, try ModelPool([model])) { client in
      let id = try await client.makeSession()
      let direct = try DirectSession(model)
      _ = try await client.step(id, [1])
      _ = try direct.step([1])
      #expect(try await client.memory(id) == direct.memory)
    }
  }

  @Test(
    arguments: Transport.allCases,
    [
      (accept: "*/*", type: "application/json"),
      (accept: "application/*", type: "application/json"),
      (accept: "application/json", type: "application/json"),
      (accept: "text/*", type: "text/csv"),
      (accept: "TEXT/CSV", type: "text/csv"),
      (accept: "text/csv; charset=utf-8", type: "text/csv"),
      (accept: "text/csv, application/json", type: "application/json"),
      (accept: "text/csv;q=0.9, application/json;q=0.8", type: "text/csv"),
      (accept: "text/csv ; q=0.1 , application/json ; q=0.2", type: "application/json"),
      (accept: "text/csv;q=0.001, */*;q=0", type: "text/csv"),
      (accept: "*/*, application/json;q=0.5", type: "text/csv"),
      (accept: "text/*;q=0.3, */*;q=0.2", type: "text/csv"),
      (accept: "text/html, application/xhtml+xml, */*;q=0.8", type: "application/json"),
      (accept: "application/json;q=0, text/csv", type: "text/csv"),
    ])
  func theFormIsTheOneThatIsLikedBest(
    _ transport: Transport, _ expected: (accept: String, type: String)
  ) async throws {
    try await withService(transport) { client in
      let id = try await client.makeSession()
      let response = try await client.get(
        "/sessions/\(id)/memory", headers: [("Accept", expected.accept)])
      #expect(response.status == 200)
      #expect(response.header("Content-Type") == expected.type)
    }
  }

  @Test(
    arguments: Transport.allCases,
    ["image/png", "text/html", "*/*;q=0", "text/csv;q=0, application/json;q=0.0", "json"])
  func anotherFormIsRefused(_ transport: Transport, _ accept: String) async throws {
    try await withService(transport) { client in
      let id = try await client.makeSession()
      let response = try await client.get(
        "/sessions/\(id)/memory", headers: [("Accept", accept)])
      try expectProblem(
        response, 406, "not-acceptable",
        detail: "Accept is \(accept); there is application/json and text/csv",
        fields: ["offered": .list(["application/json", "text/csv"])])
    }
  }
}
