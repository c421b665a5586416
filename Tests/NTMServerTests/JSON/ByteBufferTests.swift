import Foundation
import Testing

@testable import NTMServer

struct ByteBufferTests {
  private func text(_ write: (inout ByteBuffer) -> Void) -> String {
    var buffer = ByteBuffer()
    write(&buffer)
    return String(decoding: buffer.bytes, as: UTF8.self)
  }

  // MARK: Bytes

  @Test(arguments: [0, 1, 7, 4096])
  func growsWithWhatIsAppended(_ capacity: Int) {
    var buffer = ByteBuffer(capacity: capacity)
    var expected: [UInt8] = []
    for round in 0..<3 {
      for number in 0..<500 {
        buffer.append(UInt8(truncatingIfNeeded: number))
        buffer.append("static")
        buffer.append(utf8: "текст \(number) \(round)")
        buffer.append(utf8: "")
        expected +=
          [UInt8(truncatingIfNeeded: number)] + Array("staticтекст \(number) \(round)".utf8)
      }
      #expect(buffer.bytes == expected)
      #expect(buffer.count == expected.count)
      buffer.removeAll()
      expected = []
      #expect(buffer.bytes.isEmpty)
    }
  }

  // MARK: Numbers

  static let specialFloats: [Float] = [
    0, -0.0, 1, -1, 0.1, 0.5, 1 / 3, 16_777_216, 16_777_218, 1e7, 1e16, 1e-4, 1e-5, 123_456_792,
    .leastNonzeroMagnitude, -.leastNonzeroMagnitude, .leastNormalMagnitude,
    .leastNormalMagnitude.nextDown, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, .pi,
    Float(1).nextUp, Float(1).nextDown, 9.999999e-1, 8.589973e9, 3.4028232e38,
  ]

  /// A number of float32 as JSON gives back the same bits, and with one digit less it would not.
  @Test func floatsAreTheShortestDecimals() throws {
    var generator = SplitMix(seed: 21)
    var floats = Self.specialFloats
    while floats.count < 3000 {
      let float = Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
      if float.isFinite { floats.append(float) }
    }
    for _ in 0..<1000 {
      // Subnormals
      floats.append(Float(bitPattern: UInt32.random(in: 1..<0x80_0000, using: &generator)))
      floats.append(Float.random(in: 0...1, using: &generator))
    }
    for float in floats {
      let text = text { $0.appendNumber(float) }
      #expect(strtof(text, nil).bitPattern == float.bitPattern, "\(text)")
      let parsed = try JSONSerialization.jsonObject(
        with: Data(text.utf8), options: .fragmentsAllowed)
      #expect(try #require(parsed as? NSNumber).floatValue == float, "\(text)")
      let digits = text.prefix { $0 != "e" }.filter(\.isNumber)
        .drop { $0 == "0" }.reversed().drop { $0 == "0" }.count
      if digits > 1 {
        let shorter = String(format: "%.\(digits - 2)e", Double(float))
        #expect(strtof(shorter, nil) != float, "\(shorter) is shorter than \(text)")
      }
    }
  }

  @Test(arguments: [
    (value: 0 as Float, text: "0.0"), (value: -0.0, text: "-0.0"), (value: 1, text: "1.0"),
    (value: 0.1, text: "0.1"), (value: .leastNonzeroMagnitude, text: "1e-45"),
    (value: 3.4028235e38, text: "3.4028235e+38"), (value: 16_777_216, text: "16777216.0"),
    (value: -16_777_218, text: "-1.6777218e+07"), (value: 1e5, text: "1e+05"),
  ])
  func aFloatIsNeverTakenForAWholeNumber(_ value: Float, _ expected: String) {
    #expect(text { $0.appendNumber(value) } == expected)
  }

  @Test(arguments: [0, -1, 7, 1_234_567_890, Int.max, Int.min])
  func integersAreWritten(_ value: Int) {
    #expect(text { $0.appendNumber(value) } == "\(value)")
  }

  @Test(arguments: [([], "[]"), ([1], "[1.0]"), ([1, -2.5, 0], "[1.0,-2.5,0.0]")])
  func listsOfFloatsAreWritten(_ values: [Float], _ expected: String) {
    #expect(
      text { buffer in values.withUnsafeBufferPointer { buffer.appendArray($0) } } == expected)
  }

  @Test(arguments: [([], "[]"), ([3], "[3]"), ([3, 1, 2], "[3,1,2]")])
  func listsOfAnythingAreWritten(_ indices: [Int], _ expected: String) {
    #expect(text { $0.appendList(indices) { $0.appendNumber($1) } } == expected)
  }
}
