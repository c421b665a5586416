import Testing

@testable import NTMServer

/// The one pass over a request's headers and query.
struct RequestHeadTests {
  private func withHead(
    headers: [(String, String)] = [], parameters: [(String, String)] = [], limit: Int = 32,
    _ body: (RequestHead) -> Void
  ) {
    let head = RequestHead.allocate(parameterLimit: limit)
    defer { head.deallocate() }
    // What a head has of the connection's memory must stay where it is.
    let texts = (headers + parameters).map { (Array($0.0.utf8), Array($0.1.utf8)) }
    let copies = texts.map { name, value in
      (
        UnsafeMutableRawBufferPointer.allocate(byteCount: name.count, alignment: 1),
        UnsafeMutableRawBufferPointer.allocate(byteCount: value.count, alignment: 1)
      )
    }
    defer {
      for (name, value) in copies {
        name.deallocate()
        value.deallocate()
      }
    }
    for (index, (name, value)) in copies.enumerated() {
      name.copyBytes(from: texts[index].0)
      value.copyBytes(from: texts[index].1)
      if index < headers.count {
        head.addHeader(UnsafeRawBufferPointer(name), UnsafeRawBufferPointer(value))
      } else {
        head.addParameter(UnsafeRawBufferPointer(name), UnsafeRawBufferPointer(value))
      }
    }
    body(head)
  }

  private func text(_ bytes: UnsafeRawBufferPointer?) -> String? {
    bytes.map { String(decoding: $0, as: UTF8.self) }
  }

  @Test(arguments: RequestHeader.allCases)
  func aHeaderIsFoundInAnyCase(_ header: RequestHeader) {
    let name = "\(header.name)"
    for spelling in [name, name.lowercased(), name.uppercased()] {
      withHead(headers: [("X-Other", "no"), (spelling, "yes"), ("\(name)-More", "no")]) { head in
        #expect(text(head[header]) == "yes", "\(spelling)")
        #expect(head.count(of: header) == 1)
        for other in RequestHeader.allCases where other != header { #expect(head[other] == nil) }
      }
    }
  }

  @Test func theFirstCountsAndAllAreCounted() {
    withHead(headers: [("Host", "a"), ("host", "b"), ("HOST", "")]) { head in
      #expect(text(head[.host]) == "a")
      #expect(head.count(of: .host) == 3)
    }
    withHead(headers: [("Host", "")]) { head in #expect(text(head[.host]) == "") }
  }

  @Test func nothingIsLeftOfTheRequestBefore() {
    withHead(headers: [("Host", "a")], parameters: [("top", "1")]) { head in
      #expect(head.hasQuery && text(head.parameter("TOP")) == "1")
      #expect(head.memory == 2 * MicroHTTPD.Limits.bytesPerValue)
      head.clear(bytes: 7)
      #expect(head[.host] == nil && head.count(of: .host) == 0)
      #expect(!head.hasQuery && head.parameter("top") == nil)
      #expect(head.memory == 7)
    }
  }

  @Test func parametersBeyondTheLimitAreCountedOnly() {
    let parameters = (0..<40).map { ("p\($0)", "\($0)") }
    withHead(parameters: parameters, limit: 3) { head in
      #expect(text(head.parameter("p2")) == "2")
      #expect(head.parameter("p3") == nil)
      #expect(head.memory == 40 * MicroHTTPD.Limits.bytesPerValue)
    }
  }
}
