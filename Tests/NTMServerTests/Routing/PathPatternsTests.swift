import Testing

@testable import NTMServer

/// Paths against patterns, beside a comparison segment by segment.
struct PathPatternsTests {
  static let patterns = [
    "/", "/step", "/sessions", "/sessions/{id}", "/sessions/{id}/step",
    "/models/{name}/versions/{v}",
    "/v2/models/{name}",
  ]

  /// The index of the first that fits, with the variable parts.
  private func expected(_ path: String) -> (Int, [String])? {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard path.hasPrefix("/") else { return nil }
    for (index, pattern) in Self.patterns.enumerated() {
      let wanted = pattern.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
      guard wanted.count == parts.count else { continue }
      var values: [String] = []
      let fits = zip(wanted, parts).allSatisfy { wanted, part in
        guard wanted.hasPrefix("{") else { return wanted == part }
        values.append(part)
        return !part.isEmpty
      }
      if fits { return (index, values) }
    }
    return nil
  }

  private func match(_ path: String) -> (Int, [String])? {
    Array(path.utf8).withUnsafeBytes { bytes in
      PathPatterns(Self.patterns).match(bytes, from: 0).map { match in
        (
          match.index,
          (0..<match.path.count).map {
            String(decoding: bytes[match.path.parameters[$0]], as: UTF8.self)
          }
        )
      }
    }
  }

  @Test func pathsMadeOfPiecesOfPatterns() {
    let pieces = [
      "/", "//", "sessions", "session", "step", "models", "versions", "v2", "a", "{id}", "%2F", "?",
    ]
    var generator = SplitMix(seed: 5)
    var matches = 0
    for _ in 0..<20_000 {
      let path = (0..<Int.random(in: 0...8, using: &generator)).reduce("/") { path, _ in
        path + pieces.randomElement(using: &generator)!
      }
      let (got, wanted) = (match(path), expected(path))
      #expect(got?.0 == wanted?.0 && got?.1 == wanted?.1, "\(path)")
      if wanted != nil { matches += 1 }
    }
    #expect(matches > 500)
  }

  @Test(arguments: ["http://host/sessions/x", "http://host", "*", "", "sessions"])
  func otherFormsMatchNothing(_ path: String) {
    #expect(match(path) == nil)
  }
}
