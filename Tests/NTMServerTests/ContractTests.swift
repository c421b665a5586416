import Crypto
import Foundation
import NTMModel
import Testing

@testable import NTMServer

/// openapi.yaml and the server say the same. What the tests read is the JSON that was made of it.
@Suite struct ContractTests {
  private let contract: JSONValue
  private let application: Application

  init() throws {
    contract = try JSONParser.parse(try Self.file("json").body)
    let options = ServiceOptions.testing()
    application = Application(
      pool: .copy, sessions: SessionTable(limits: SessionTable.Limits(options)), options: options,
      logger: .silent)
  }

  private static func file(_ form: String) throws -> EmbeddedFile {
    try #require(EmbeddedFile.all["openapi.\(form)"])
  }

  // MARK: The document

  @Test func theJSONIsOfTheYAML() throws {
    #expect(
      try contract["x-made-from"] == .string("sha256:\(Self.file("yaml").digest)"),
      "openapi.yaml has changed since openapi.json was made of it: make contract")
  }

  @Test func theYAMLIsThatOfTheRepository() throws {
    let file = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../openapi.yaml").standardized
    #expect(try Data(contentsOf: file) == Data(Self.file("yaml").body))
  }

  @Test func theVersionIsThatOfTheProgram() {
    #expect(contract["info"]?["version"] == .string(Release.version))
  }

  @Test(arguments: Transport.allCases, ["yaml", "json"])
  func itIsServed(_ transport: Transport, _ form: String) async throws {
    let document = try Self.file(form)
    try await withService(transport) { client in
      let response = try await client.get("/openapi.\(form)")
      #expect(response.status == 200)
      #expect(response.header("Content-Type") == "application/\(form)")
      #expect(response.header("Cache-Control") == "no-cache")
      #expect(response.body == document.body)
      let digest = SHA256.hash(data: response.body).map { String(format: "%02x", $0) }.joined()
      #expect(response.header("ETag") == "W/\"\(digest)\"")
    }
  }

  @Test(arguments: [
    (tags: "W/TAG", status: 304), (tags: "TAG", status: 304), (tags: "\"a\", W/TAG", status: 304),
    (tags: "*", status: 304), (tags: "\"a\"", status: 200), (tags: "", status: 200),
  ])
  func whoHasItIsNotSentItAgain(_ expected: (tags: String, status: Int)) async throws {
    try await withService(.router) { client in
      let tag = try #require(try await client.get("/openapi.yaml").header("ETag"))
      let tags = expected.tags.replacingOccurrences(of: "TAG", with: tag.dropFirst(2))
      let response = try await client.get("/openapi.yaml", headers: [("If-None-Match", tags)])
      #expect(response.status == expected.status)
      #expect(response.header("ETag") == tag)
      #expect(response.body.isEmpty == (expected.status == 304))
    }
  }

  // MARK: Routes

  @Test func everyRouteIsInTheContractAndEveryOperationARoute() throws {
    let routes = Set(application.router.routes.map { "\($0.method.name) \($0.pattern)" })
    var operations: Set<String> = []
    for (path, item) in try #require(contract["paths"]?.fields) {
      for key in try #require(item.fields).map({ $0.name }) where key != "parameters" {
        operations.insert("\(key.uppercased()) \(path)")
      }
    }
    #expect(routes.subtracting(operations).sorted() == [], "missing in openapi.yaml")
    #expect(operations.subtracting(routes).sorted() == [], "in openapi.yaml alone")
  }

  @Test func everyVariablePartOfAPathIsAParameter() throws {
    for (path, item) in try #require(contract["paths"]?.fields) {
      let names = path.split(separator: "/").filter { $0.hasPrefix("{") }
        .map { String($0.dropFirst().dropLast()) }
      let parameters = item["parameters"]?.elements.map { resolved($0) } ?? []
      #expect(
        parameters.filter { $0["in"] == .string("path") }.compactMap { $0["name"]?.text } == names,
        "\(path)")
    }
  }

  @Test func whatTakesAKeySaysSo() throws {
    for route in application.router.routes {
      let operation = try operation(route)
      let names = operation["parameters"]?.elements.compactMap { resolved($0)["name"]?.text } ?? []
      #expect(
        names.contains("Idempotency-Key") == route.takesKey, "\(route.method.name) \(route.pattern)"
      )
      guard route.takesKey else { continue }
      // The key can be in use, its reply forgotten, and it can belong to another request.
      for kind in [Problem.Kind.keyInUse, .keyReused, .replyForgotten] {
        #expect(
          try problems(of: operation).contains { $0.types.contains(kind.type) },
          "\(route.method.name) \(route.pattern): \(kind)")
      }
    }
  }

  // MARK: Problems

  @Test func everyKindOfProblemIsInTheContractAndNoOther() throws {
    let types = try #require(contract["components"]?["schemas"]?["Problem"]?["properties"]?["type"])
    #expect(
      Set(types["enum"]?.elements.compactMap(\.text) ?? [])
        == Set(Problem.Kind.allCases.map(\.type)))
  }

  @Test func everyKindOfProblemHasItsStatusWhereItIsSaid() throws {
    var seen: Set<String> = []
    let components = try #require(contract["components"]?["responses"]?.fields)
    var all = try components.compactMap { try problem($0.name, nil, $0.value) }
    for route in application.router.routes { all += try problems(of: operation(route)) }
    for problem in all {
      for type in problem.types {
        let kind = try #require(Problem.Kind.allCases.first { $0.type == type }, "\(problem.name)")
        #expect(kind.status == problem.status, "\(problem.name): \(type)")
        seen.insert(type)
      }
    }
    #expect(Set(Problem.Kind.allCases.map(\.type)).subtracting(seen).sorted() == [])
  }

  // MARK: Reading

  private struct StatedProblem {
    /// Where it stands, for a failure.
    let name: String
    let status: Int
    let types: [String]
  }

  private func operation(_ route: Router.Route) throws -> JSONValue {
    try #require(
      contract["paths"]?[route.pattern]?[route.method.name.lowercased()],
      "\(route.method.name) \(route.pattern)")
  }

  private func problems(of operation: JSONValue) throws -> [StatedProblem] {
    let responses = try #require(operation["responses"]?.fields)
    return try responses.compactMap { status, response in
      try problem(
        "\(operation["operationId"]?.text ?? "") \(status)", Int(status), resolved(response))
    }
  }

  /// - Parameter key: the status under which the response stands; nil for a component
  private func problem(
    _ name: String, _ key: Int?, _ response: JSONValue
  ) throws -> StatedProblem? {
    guard let content = response["content"]?["application/problem+json"] else {
      #expect((key ?? 200) < 400, "\(name) is no problem")
      return nil
    }
    let fields = try #require(content["schema"]?["allOf"]?.elements.last?["properties"], "\(name)")
    guard case .number(let number)? = fields["status"]?["const"] else {
      throw JSONError(reason: "\(name) has no status", offset: 0)
    }
    let status = Int(number)
    if let key { #expect(status == key, "\(name)") }
    let types =
      fields["type"]?["enum"]?.elements ?? fields["type"]?["const"].map { [$0] } ?? []
    try #require(!types.isEmpty, "\(name)")
    return StatedProblem(name: name, status: status, types: types.compactMap(\.text))
  }

  /// What a `$ref` stands for.
  private func resolved(_ value: JSONValue) -> JSONValue {
    guard let reference = value["$ref"]?.text else { return value }
    return reference.split(separator: "/").dropFirst()
      .reduce(contract as JSONValue?) { $0?[String($1)] } ?? .null
  }
}

extension JSONValue {
  fileprivate subscript(_ name: String) -> JSONValue? { fields?[name] }

  fileprivate var fields: JSONObject? {
    if case .object(let fields) = self { fields } else { nil }
  }

  fileprivate var elements: [JSONValue] {
    JSONList(self).map { Array($0) } ?? []
  }

  fileprivate var text: String? { if case .string(let text) = self { text } else { nil } }
}
