import Foundation
import NTMModel
import Testing

@testable import NTMServer

struct StepResultWriterTests {
  /// The longest text that a float32 can have: a sign, nine digits, a point and an exponent.
  private static let longest: Float = -1.00000075e-36

  private static func model(
    _ name: String, rows: Int, columns: Int, heads: [Head], taps: [Int] = [-1, 0, 1],
    outputs: Int = 1
  ) -> ServedModel {
    var dialect = Preset.paper.dialect
    dialect.addressing.shift = .taps(taps, activation: .softmax)
    return .made(
      name,
      Configuration(
        inputSize: 1, outputSize: outputs, memory: MemoryShape(rows: rows, columns: columns),
        controller: Controller(kind: .lstm, units: 3), heads: heads, dialect: dialect))
  }

  private static let models = [
    ServedModel.copy, .mixed, .contentOnly, .overflowing,
    model("one column", rows: 400, columns: 1, heads: [.read, .write]),
    model("one row", rows: 1, columns: 1, heads: Array(repeating: .readWrite, count: 60)),
    model("many taps", rows: 9, columns: 2, heads: [.readWrite], taps: Array(-50...50)),
    model("many outputs", rows: 2, columns: 1, heads: [.read], outputs: 500),
  ]

  @Test(arguments: models.indices)
  func noResultIsLongerThanTheLargest(_ index: Int) throws {
    let served = Self.models[index]
    var state = try served.model.makeState()
    var workspace = try served.model.makeWorkspace()
    let input = [Float](repeating: Self.longest, count: served.model.configuration.inputSize)
    try served.model.step(input.span, state: &state, workspace: &workspace)
    // All that a state holds is as long as it can be.
    let values = [Float](repeating: Self.longest, count: state.layout.valueCount)
    try state.setValues(values.span)
    let forms: [(top: Int?, isBase64: Bool)] = [
      (nil, false), (nil, true), (1, false), (1, true), (3, false), (1000, false), (1000, true),
    ]
    for form in forms {
      for names in 0..<128 as Range<UInt8> {
        var fields = StepFields(names: .init(rawValue: names))
        fields.top = form.top
        fields.isBase64 = form.isBase64
        let writer = StepResultWriter(model: .passUnretained(served), session: SessionID.make())
        var text = ByteBuffer()
        writer.writeObject(fields, .max, input, state, workspace, to: &text)
        let largest = fields.largestResult(of: served)
        #expect(
          text.count <= largest, "\(served.name) \(fields.rawValue): \(text.count) of \(largest)")
        _ = try JSONSerialization.jsonObject(with: Data(text.bytes))
      }
    }
  }

  @Test func theLongestNumberIsThat() {
    var text = ByteBuffer()
    text.appendNumber(Self.longest)
    #expect(String(decoding: text.bytes, as: UTF8.self) == "-1.00000075e-36")
  }

  /// Extreme numbers of a state come back from the text bit for bit.
  @Test func anyFiniteStateIsWrittenExactly() throws {
    let served = ServedModel.mixed
    var state = try served.model.makeState()
    var workspace = try served.model.makeWorkspace()
    try served.model.step([1, 0, 1].span, state: &state, workspace: &workspace)
    var generator = SplitMix(seed: 31)
    for _ in 0..<50 {
      let values = (0..<state.layout.valueCount).map { _ -> Float in
        while true {
          let float = Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
          if float.isFinite { return float }
        }
      }
      try state.setValues(values.span)
      var text = ByteBuffer()
      StepResultWriter(model: .passUnretained(served), session: nil)
        .writeObject(
          StepFields(names: [.memory, .readVectors]), 3, [], state, workspace, to: &text)
      let result = try JSONDecoder.snakeCase.decode(StepResult.self, from: Data(text.bytes))
      #expect(result.session == nil)
      #expect(result.step == 3)
      let (rows, columns) = (state.layout.memory.rows, state.layout.memory.columns)
      #expect(
        result.memory?.joined().map(\.value.bitPattern)
          == values.prefix(rows * columns).map(\.bitPattern))
      #expect(
        result.readVectors == (0..<2).map { state.read($0).map(Exact.init) })
    }
  }
}
