import Foundation
import NTMModel
import Testing

@testable import NTMServer

extension RouteTests {
  @Test(arguments: Transport.allCases)
  func modelsAreListedInTheOrderOfTheirNames(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      let response = try await client.get("/models")
      #expect(response.status == 200)
      #expect(response.header("Content-Type") == "application/json")
      let models = try #require(try response.object()["models"] as? [[String: Any]])
      #expect(
        models.map { $0["name"] as? String }
          == ["content only", "copy", "mixed", "overflowing", "repeat-copy"])
      #expect(models.allSatisfy { $0["default"] as? Bool == false })
      // What a list says of a model is what the model says of itself.
      for model in models {
        let name = try #require((model["name"] as? String)?.replacing(" ", with: "%20"))
        let alone = try await client.get("/models/\(name)").object()
        #expect(NSDictionary(dictionary: alone) == NSDictionary(dictionary: model))
      }
    }
  }

  @Test(arguments: Transport.allCases)
  func aModelSaysItsSizes(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let model = try await client.get("/models/copy").object()
      #expect(model["default"] as? Bool == true)
      #expect(model["task"] as? String == "copy")
      #expect((model["source"] as? String)?.contains("ntm train") == true)
      #expect(model["input_size"] as? Int == 9)
      #expect(model["output_size"] as? Int == 8)
      #expect(model["memory"] as? [String: Int] == ["rows": 128, "columns": 20])
      let controller = try #require(model["controller"] as? [String: Any])
      #expect(controller["type"] as? String == "lstm")
      #expect(controller["units"] as? Int == 100)
      #expect(model["heads"] as? [String] == ["read", "write"])
      // (9 + 20 + 100 + 1) · 400, 101 · (26 + 66), 121 · 8
      #expect(model["parameters"] as? Int == 62_260)
      #expect(model["state_bytes"] as? Int == ServedModel.copy.model.stateLayout.byteCount)
      let digest = try #require(model["digest"] as? String)
      #expect(digest == "sha256:\(ServedModel.copy.model.digest())")
      #expect(digest.wholeMatch(of: /sha256:[0-9a-f]{64}/) != nil)
      // The configuration is the file's, field for field.
      let configuration = try JSONSerialization.data(withJSONObject: model["configuration"] as Any)
      #expect(
        try JSONDecoder().decode(Configuration.self, from: configuration)
          == ServedModel.copy.model.configuration)
    }
  }

  @Test(arguments: Transport.allCases)
  func theDefaultIsMarked(_ transport: Transport) async throws {
    let pool = try ModelPool([.copy, .repeatCopy], default: "repeat-copy")
    try await withService(transport, pool) { client in
      let models = try #require(
        try await client.get("/models").object()["models"] as? [[String: Any]])
      #expect(models.map { $0["default"] as? Bool } == [false, true])
    }
  }

  /// Names of fields, large and small numbers, nesting: nothing is lost on the way.
  @Test(
    arguments: Transport.allCases,
    [
      #"{"bitErrors":0.25,"camelCase":{"snake_case":[1,2.5,null,true,false,"a/b"]},"seed":10}"#,
      #"{"seed":18446744073709551615,"sequences":9007199254740993,"shift":-9007199254740993}"#,
      #"{"loss":1e-05}"#, #"[]"#, #"{}"#,
    ])
  func trainingIsPassedOn(_ transport: Transport, _ training: String) async throws {
    let file = ModelFile(
      model: ServedModel.mixed.model, description: ModelFile.Description(training: training))
    let pool = try ModelPool([ServedModel(name: "m", file: file)])
    try await withService(transport, pool) { client in
      let text = try await client.get("/models/m").text
      // Keys are sorted, and numbers as short as they can be, in both.
      #expect(text.contains(#""training":\#(training)"#), "\(text)")
    }
  }

  @Test func trainingThatIsNotJSONIsLeftOut() async throws {
    let file = ModelFile(
      model: ServedModel.mixed.model, description: ModelFile.Description(training: "{oh no"))
    try await withService(.router, try ModelPool([ServedModel(name: "m", file: file)])) { client in
      let model = try await client.get("/models/m").object()
      #expect(model["name"] as? String == "m")
      #expect(model["training"] == nil)
    }
  }

  @Test(arguments: Transport.allCases)
  func anUnknownModelIsNotFound(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      let response = try await client.get("/models/none")
      try expectProblem(
        response, 404, "no-such-model",
        detail:
          "there is no model \"none\"; there is content only, copy, mixed, overflowing, repeat-copy",
        fields: [
          "models": .list(["content only", "copy", "mixed", "overflowing", "repeat-copy"])
        ])
    }
  }
}
