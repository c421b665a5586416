import Foundation
import Testing

@testable import NTMServer

/// The page. What it does is tested in a browser, by `Tests/Inspector`.
struct InspectorRouteTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../../Sources/NTMServer/Resources").standardized

  private static let files: [String] =
    (try? FileManager.default.contentsOfDirectory(atPath: folder.path()))?.sorted() ?? []

  @Test func everyFileOfTheFolderIsAPartOfTheProgramAndNoOther() {
    #expect(Self.files.contains("index.html"))
    let embedded = EmbeddedFile.all.keys.filter { $0.hasPrefix("inspector/") }
    #expect(embedded.sorted() == Self.files.map { "inspector/\($0)" })
  }

  @Test(arguments: Transport.allCases)
  func eachIsServedAsItIs(_ transport: Transport) async throws {
    let types = [
      "html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml",
    ]
    try await withRawService(transport) { client in
      for file in Self.files {
        let response = try await client.get("/inspector/\(file)")
        #expect(response.status == 200)
        #expect(Data(response.body) == (try Data(contentsOf: Self.folder.appending(path: file))))
        let type = try #require(response.header("Content-Type")).prefix { $0 != ";" }
        #expect(String(type) == types[String(file.split(separator: ".")[1])])
      }
      #expect(
        try await client.get("/").body == client.get("/inspector/index.html").body)
    }
  }

  @Test(arguments: Transport.allCases, ["/", "/inspector/main.js"])
  func aBrowserIsToldWhatThePageMayDo(_ transport: Transport, _ path: String) async throws {
    try await withRawService(transport) { client in
      let response = try await client.get(path)
      let policy = try #require(response.header("Content-Security-Policy"))
      #expect(policy.hasPrefix("default-src 'none'; script-src 'self'; "))
      #expect(!policy.contains("unsafe"))
      #expect(policy.contains("frame-ancestors 'none'"))
      #expect(response.header("X-Content-Type-Options") == "nosniff")
      #expect(response.header("Cache-Control") == "no-cache")
      // Whoever has it is not sent it again.
      let tag = try #require(response.header("ETag"))
      let again = try await client.get(path, headers: [("If-None-Match", tag)])
      #expect(again.status == 304)
      #expect(again.body.isEmpty)
    }
  }

  @Test(
    arguments: Transport.allCases,
    ["nothing.js", "openapi.yaml", "..%2Fopenapi.yaml", "%2e%2e%2fPackage.swift", "main.js%00"])
  func thereIsNothingElse(_ transport: Transport, _ name: String) async throws {
    try await withRawService(transport) { client in
      try expectProblem(try await client.get("/inspector/\(name)"), 404, "no-such-resource")
    }
  }

  /// The page asks for a key; before it can, it has to be there.
  @Test func itNeedsNoKeyWhereTheAPIDoes() async throws {
    let keys = try TemporaryKeys("somebody: \(String(repeating: "k", count: 32))\n")
    let options = ServiceOptions.testing { $0.apiKeys = keys.keys }
    try await withRawService(.router, .copy, options) { client async throws in
      #expect(try await client.get("/").status == 200)
      #expect(try await client.get("/inspector/main.js").status == 200)
      #expect(try await client.get("/models").status == 401)
      #expect(try await client.get("/inspector").status == 401)
    }
  }
}
