import Foundation
import Testing

@testable import NTMServer

/// The memory that parsing a body takes.
@Suite struct JSONMemoryTests {
  /// Malformed lists of lists, whose errors are those of other lists.
  @Test(arguments: [
    (text: "[[1],]", reason: "there is no value", offset: 5),
    (text: "[[1,],[2]]", reason: "there is no value", offset: 4),
    (text: "[[1],,[2]]", reason: "there is no value", offset: 5),
    (text: "[[1][2]]", reason: "there is no \",\"", offset: 4),
    (text: "[[1 2]]", reason: "there is no \",\"", offset: 4),
    (text: "[[+1]]", reason: "there is no value", offset: 2),
    (text: "[[1.]]", reason: "a digit is missing", offset: 4),
    (text: "[,]", reason: "there is no value", offset: 1),
    (text: "[1,]", reason: "there is no value", offset: 3),
    (text: "[[1],[2]", reason: "there is no \",\"", offset: 8),
  ])
  func malformedRowsAreRefused(_ text: String, _ reason: String, _ offset: Int) {
    #expect(throws: JSONError(reason: reason, offset: offset)) {
      try JSONParser.parse(Array(text.utf8))
    }
  }

  @Test func rowsAreNoDeeperThanOtherLists() throws {
    func text(_ depth: Int) -> [UInt8] {
      Array(
        (String(repeating: "[", count: depth) + "1" + String(repeating: "]", count: depth)).utf8)
    }
    _ = try JSONParser.parse(text(32))
    #expect(throws: JSONError(reason: "it is nested deeper than 32 levels", offset: 32)) {
      try JSONParser.parse(text(33))
    }
  }

  /// Numeric inputs of 8 MiB fit into the default budget three times.
  @Test(arguments: ["0", "0,1", "0,1,0,1,0,1,0,1,0", "-1.234567e-12"])
  func numericInputsNeedLittleMemory(_ row: String) {
    let text = Self.rows(row, bytes: 1 << 20)
    #expect(3 * (JSONParser.mostMemory(for: text) + text.count) < 96 << 20)
    #expect(JSONParser.mostMemory(for: Array("[\(row)]".utf8)) < 512)
  }

  private static func rows(_ row: String, bytes: Int) -> [UInt8] {
    let element = "[\(row)],"
    return Array(
      ("[" + String(repeating: element, count: bytes / element.utf8.count) + "[\(row)]]").utf8)
  }

  #if os(Linux)
    /// In a process of its own, for its memory.
    @Test func parsingTakesNoMoreThanItsEstimate() async {
      await #expect(processExitsWith: .success) {
        let deep = String(repeating: "[", count: 31) + String(repeating: "]", count: 31) + ","
        let elements = [
          "[0],", "[0,1,0,1,0,1,0,1,0],", "0,", "{},", "{\"a\":0},", deep, "null,", "\"\",",
          "[null],", "\"a string that is not short\",", "[[1]],", "[1,[2]],",
        ]
        for element in elements {
          let count = (2 << 20) / element.utf8.count
          for last in ["null", "0", "[0]"] {
            let text = Array("[\(String(repeating: element, count: count))\(last)]".utf8)
            let estimate = JSONParser.mostMemory(for: text)
            // Memory that was freed before must not be reused unnoticed.
            Self.returnFreedMemory()
            let before = Self.residentMemory()
            let value = try JSONParser.parse(text)
            let used = Self.residentMemory() - before
            // The allocator keeps some freed memory, and takes whole pages.
            try #require(used <= estimate + 1 << 20, "\(element)…\(last): \(used) > \(estimate)")
            withExtendedLifetime(value) {}
          }
        }
      }
    }

    /// `malloc_trim`, which the module Glibc leaves out.
    private static func returnFreedMemory() {
      typealias Function = @convention(c) (Int) -> Int32
      guard let address = dlsym(nil, "malloc_trim") else { return }
      _ = unsafeBitCast(address, to: Function.self)(0)
    }

    /// Bytes of memory that this process uses.
    private static func residentMemory() -> Int {
      let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?
        .split(separator: " ").dropFirst().first.flatMap { Int($0) }
      return (pages ?? 0) * 4096
    }
  #endif
}

extension JSONRows: ExpressibleByArrayLiteral {
  public init(arrayLiteral rows: [Double]...) {
    self.init(numbers: 0, rows: 0)
    for row in rows {
      for number in row { append(number) }
      endRow()
    }
  }
}
