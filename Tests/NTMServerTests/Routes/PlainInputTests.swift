import Testing

@testable import NTMServer

/// The short way through the body of a step, beside the long one.
struct PlainInputTests {
  /// - Parameter spare: what is there before
  private func short(_ body: [UInt8], size: Int, _ spare: [Float] = []) -> [Float]? {
    var input = spare
    return PlainInput.read(body, size: size, into: &input) ? input : nil
  }

  private func long(_ body: [UInt8], size: Int) -> [Float]? {
    guard let fields = try? JSONValue(body: body).fields(["input"]),
      let input = try? fields["input"]?.vector("input"), input.count == size,
      input.allSatisfy(\.isFinite)
    else { return nil }
    return input
  }

  @Test(arguments: [
    (#"{"input":[1,2.5,-3e2]}"#, [1, 2.5, -300]),
    (" {\n\t\"input\" : [ 0.1 ,1 , 2 ] }\r\n", [0.1, 1, 2]),
    (#"{"input":[1,2]}"#, nil), (#"{"input":[1,2,3,4]}"#, nil), (#"{"input":[]}"#, nil),
    (#"{"input":[1,2,1e39]}"#, nil), (#"{"input":[1,2,"3"]}"#, nil), (#"{"input":[1,2,03]}"#, nil),
    (#"{"input":[1,2,3],"step":4}"#, nil), (#"{"input":[1,2,3]} x"#, nil),
    (#"{"input":[1,2,3]"#, nil),
    (#"{"in\u0070ut":[1,2,3]}"#, nil), ("", nil), ("{", nil),
  ])
  func isTakenWhereItIsAllThereIs(_ body: String, _ expected: [Float]?) {
    #expect(short(Array(body.utf8), size: 3) == expected)
    #expect(short(Array(body.utf8), size: 3, [7, 8, 9, 10]) == expected)
  }

  /// Whatever it takes, the long way takes and gives the same.
  @Test func damagedBodiesAreReadInBothWays() {
    var generator = SplitMix(seed: 3)
    let original = Array(#"{"input": [0, 1, -0.5, 2e1]}"#.utf8)
    let bytes = Array("{}[],:\"-+.eE0123456789 \ninputs\\".utf8)
    var taken = 0
    for _ in 0..<20_000 {
      var body = original
      for _ in 0..<Int.random(in: 0...2, using: &generator) {
        let place = Int.random(in: 0..<body.count, using: &generator)
        switch Int.random(in: 0...2, using: &generator) {
        case 0: body.remove(at: place)
        case 1: body.insert(bytes.randomElement(using: &generator)!, at: place)
        default: body[place] = bytes.randomElement(using: &generator)!
        }
      }
      let short = short(body, size: 4)
      #expect(
        short == nil || short == long(body, size: 4), "\(String(decoding: body, as: UTF8.self))")
      if short != nil { taken += 1 }
    }
    #expect(taken > 5000)
  }
}
