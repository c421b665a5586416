import Foundation
import Testing

@testable import NTMModel

/// The file format: what is written is read, and no file whatever can do harm.
struct SafeTensorsTests {
  // MARK: Writing and reading

  static func written() -> SafeTensorsWriter {
    var writer = SafeTensorsWriter(metadata: ["title": "a \"quoted\" / ünïcode\n", "n": "1"])
    writer.add("matrix", shape: [2, 3], [1, -2, 3.5, 0, -0.0, .greatestFiniteMagnitude])
    writer.add("vector", shape: [2], [.leastNonzeroMagnitude, 1e-16])
    writer.add("scalar", shape: [], [42])
    writer.add("empty", shape: [0, 4], [])
    writer.add("a name/with.dots \"and\" quotes", shape: [1], [7])
    return writer
  }

  @Test func readsWhatWasWritten() throws {
    let file = try SafeTensorsFile(bytes: Self.written().bytes())
    #expect(file.header.metadata == ["title": "a \"quoted\" / ünïcode\n", "n": "1"])
    #expect(file.header.tensors.count == 5)
    #expect(file.header["matrix"]?.shape == [2, 3])
    #expect(file.header["matrix"]?.type == .f32)
    #expect(file.header["absent"] == nil)
    expectIdentical(
      try file.values("matrix"), [1, -2, 3.5, 0, -0.0, .greatestFiniteMagnitude])
    expectIdentical(try file.values("vector"), [.leastNonzeroMagnitude, 1e-16])
    expectIdentical(try file.values("scalar"), [42])
    #expect(try file.values("empty").isEmpty)
    expectIdentical(try file.values("a name/with.dots \"and\" quotes"), [7])
  }

  @Test func equalContentsGiveEqualBytes() {
    #expect(Self.written().bytes() == Self.written().bytes())
  }

  @Test func copiesARangeOfATensor() throws {
    let file = try SafeTensorsFile(bytes: Self.written().bytes())
    var values: [Float] = [9, 9, 9]
    try file.copy("matrix", shape: [2, 3], range: 1..<3, to: &values)
    #expect(values == [-2, 3.5, 9])
    expectError(["matrix", "[2, 3]", "[3, 2]"]) {
      try file.copy("matrix", shape: [3, 2], to: &values)
    }
    expectError(["absent", "missing"]) { try file.copy("absent", shape: [1], to: &values) }
  }

  @Test func writesAndReadsAFile() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/a.safetensors"
    try Self.written().write(to: path)
    let file = try SafeTensorsFile(path: path)
    #expect(file.byteCount == Self.written().bytes().count)
    expectIdentical(try file.values("scalar"), [42])
    expectError(["no such file"]) { _ = try SafeTensorsFile(path: path + ".absent") }
    expectError(["can't be read"]) { _ = try SafeTensorsFile(path: folder.path) }
    try Data().write(to: URL(filePath: path))
    #expect(throws: SafeTensorsError.self) { _ = try SafeTensorsFile(path: path) }
  }

  /// A server reads files that somebody is about to replace.
  @Test func aFileThatIsShortenedMeanwhileIsAnErrorAndNoCrash() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/a.safetensors"
    var writer = SafeTensorsWriter()
    // More than is read at a time, and than a page.
    writer.add("t", shape: [100_000], [Float](repeating: 1, count: 100_000))
    try writer.write(to: path)
    let file = try SafeTensorsFile(path: path)
    #expect(try file.values("t") == [Float](repeating: 1, count: 100_000))
    #expect(truncate(path, 300_000) == 0)
    expectError(["can't be read to its end"]) { _ = try file.values("t") }
  }

  @Test func aFileThatIsReplacedMeanwhileIsReadAsItWas() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/a.safetensors"
    try Self.written().write(to: path)
    let file = try SafeTensorsFile(path: path)
    try Data("another one".utf8).write(to: URL(filePath: path), options: .atomic)
    expectIdentical(try file.values("scalar"), [42])
    try file.checkUnchanged()
  }

  @Test func aPipeIsNotWaitedFor() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/a.safetensors"
    #expect(mkfifo(path, 0o600) == 0)
    expectError(["can't be read"]) { _ = try SafeTensorsFile(path: path) }
  }

  /// Python's package, the format's reference, reads the same.
  @Test(.enabled(if: Python.hasSafetensors, "python3 can import safetensors.numpy"))
  func pythonReadsTheSame() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/a.safetensors"
    try Self.written().write(to: path)
    let printed = try Python.run(
      """
      import sys
      from safetensors import safe_open
      with safe_open(sys.argv[1], "numpy") as f:
          print(sorted(f.metadata().items()))
          for name in sorted(f.keys()):
              t = f.get_tensor(name)
              print(name, t.dtype, list(t.shape), [v.hex() for v in t.astype("f8").ravel().tolist()])
      """, path)
    let hex = ["0x1.0000000000000p+0", "-0x1.0000000000000p+1", "0x1.c000000000000p+1", "0x0.0p+0"]
    #expect(
      printed == """
        [('n', '1'), ('title', 'a "quoted" / ünïcode\\n')]
        a name/with.dots "and" quotes float32 [1] ['0x1.c000000000000p+2']
        empty float32 [0, 4] []
        matrix float32 [2, 3] ['\((hex + ["-0x0.0p+0", "0x1.fffffe0000000p+127"])
          .joined(separator: "', '"))']
        scalar float32 [] ['0x1.5000000000000p+5']
        vector float32 [2] ['0x1.0000000000000p-149', '0x1.cd2b2a0000000p-54']

        """)
  }

  // MARK: Element types

  typealias Conversion = (type: String, bytes: [UInt8], values: [Float])

  @Test(
    "Conversions are exact",
    arguments: [
      ("F32", [0, 0, 0x80, 0x3f, 1, 0, 0, 0x80], [1, -.leastNonzeroMagnitude]),
      ("F64", [0, 0, 0, 0, 0, 0, 0xf8, 0xbf], [-1.5]),
      // 0.1 as a double becomes the float nearest to it.
      ("F64", [0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f], [0.1]),
      ("BF16", [0x80, 0x3f, 0x49, 0xc0, 0x01, 0x00], [1, -3.140625, 0x1p-133]),
      // 1, −2, the largest, the smallest normal, the smallest and the largest subnormal, ±0
      (
        "F16",
        [0, 0x3c, 0, 0xc0, 0xff, 0x7b, 0, 4, 1, 0, 0xff, 3, 0, 0, 0, 0x80, 0x55, 0x35],
        [1, -2, 65504, 0x1p-14, 0x1p-24, 0x1.ff8p-15, 0, -0.0, 0x1.554p-2]
      ),
    ] as [Conversion])
  func conversionsAreExact(_ conversion: Conversion) throws {
    let file = try SafeTensorsFile(
      bytes: Self.file(
        type: conversion.type, shape: "[\(conversion.values.count)]", data: conversion.bytes))
    expectIdentical(try file.values("t"), conversion.values)
  }

  /// Every half, against the definition.
  @Test func halvesAreExact() throws {
    for sign in [0, 1] as [UInt16] {
      let bits = (0..<UInt16(0x7c00)).map { $0 | sign << 15 }
      let file = try SafeTensorsFile(
        bytes: Self.file(
          type: "F16", shape: "[\(bits.count)]",
          data: bits.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }))
      let expected = bits.map { half -> Float in
        let (exponent, fraction) = (Int32(half >> 10 & 31), Double(half & 1023))
        let magnitude =
          exponent == 0
          ? scalbn(fraction, -24) : scalbn(1 + fraction / 1024, Int(exponent) - 15)
        return sign == 0 ? Float(magnitude) : -Float(magnitude)
      }
      let got = try file.values("t")
      #expect(got.map(\.bitPattern) == expected.map(\.bitPattern))
    }
  }

  @Test(
    "Values that are not finite are named by their index",
    arguments: [
      ("F32", [0, 0, 0x80, 0x3f, 0, 0, 0xc0, 0x7f], 1), ("F32", [0, 0, 0x80, 0x7f], 0),
      ("F64", [0, 0, 0, 0, 0, 0, 0xf0, 0xff], 0),
      // 1e300 is finite in double precision only.
      ("F64", [0x9c, 0x75, 0x00, 0x88, 0x3c, 0xe4, 0x37, 0x7e], 0),
      ("F16", [0, 0x3c, 0, 0x7c], 1), ("F16", [1, 0xfc], 0), ("BF16", [0x80, 0xff], 0),
      ("BF16", [0xc1, 0x7f], 0),
    ] as [(String, [UInt8], Int)])
  func refusesValuesThatAreNotFinite(type: String, data: [UInt8], index: Int) throws {
    let size = type == "F64" ? 8 : type == "F32" ? 4 : 2
    let file = try SafeTensorsFile(
      bytes: Self.file(type: type, shape: "[\(data.count / size)]", data: data))
    expectError(["\"t\"", "not finite", "index \(index)"]) { _ = try file.values("t") }
  }

  @Test(arguments: ["I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"])
  func integersAreNotFloats(type: String) throws {
    let size = type.hasSuffix("64") ? 8 : type.hasSuffix("32") ? 4 : type.hasSuffix("16") ? 2 : 1
    let file = try SafeTensorsFile(
      bytes: Self.file(type: type, shape: "[1]", data: Array(repeating: 1, count: size)))
    expectError(["\"t\"", type, "floats"]) { _ = try file.values("t") }
  }

  // MARK: Hostile files

  /// A file of one tensor "t", or of the header that is given.
  static func file(
    type: String = "F32", shape: String = "[2]", offsets: String? = nil, data: [UInt8]? = nil
  ) -> [UInt8] {
    let data = data ?? Array(repeating: 0, count: 8)
    return file(
      "{\"t\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":"
        + "\(offsets ?? "[0,\(data.count)]")}}", data)
  }

  static func file(_ header: String, _ data: [UInt8] = []) -> [UInt8] {
    file(length: UInt64(header.utf8.count), Array(header.utf8) + data)
  }

  static func file(length: UInt64, _ rest: [UInt8]) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + rest
  }

  static func two(_ first: String, _ second: String, bytes: Int = 16) -> [UInt8] {
    file(
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":\(first)},"
        + "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":\(second)}}",
      Array(repeating: 0, count: bytes))
  }

  typealias Hostile = (label: String, bytes: [UInt8], named: [String])

  static let hostile: [Hostile] = [
    ("empty", [], ["0 bytes"]), ("truncated length", [1, 0, 0], ["3 bytes"]),
    ("only a length", file(length: 2, []), ["only 0 bytes follow"]),
    ("length past the end", file(length: 100, Array("{}".utf8)), ["100", "only 2 bytes follow"]),
    ("length over the bound", file(length: 100_000_001, [0]), ["100000001", "100000000"]),
    ("length negative as signed", file(length: .max, Array("{}".utf8)), ["\(UInt64.max)"]),
    (
      "length of the least integer", file(length: 1 << 63, Array("{}".utf8)), ["\(UInt64(1) << 63)"]
    ),
    ("no header", file(length: 0, []), ["header is not valid"]),
    ("not JSON", file("hello"), ["header is not valid"]),
    ("half of JSON", file("{\"t\":"), ["header is not valid"]),
    ("an array", file("[]"), ["header is not valid"]),
    ("a string", file("\"t\""), ["header is not valid"]),
    ("null", file("null"), ["header is not valid"]),
    ("invalid UTF-8", file(length: 6, [0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), ["header is not"]),
    ("a tensor that is a number", file("{\"t\":1}"), ["header is not valid", "t"]),
    ("a tensor that is null", file("{\"t\":null}"), ["header is not valid", "t"]),
    ("metadata that are numbers", file("{\"__metadata__\":{\"a\":1}}"), ["__metadata__", "a"]),
    ("metadata that are a list", file("{\"__metadata__\":[]}"), ["__metadata__"]),
    ("no dtype", file("{\"t\":{\"shape\":[0],\"data_offsets\":[0,0]}}"), ["t", "dtype"]),
    ("no shape", file("{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,0]}}"), ["t", "shape"]),
    ("no offsets", file("{\"t\":{\"dtype\":\"F32\",\"shape\":[0]}}"), ["t", "data_offsets"]),
    ("dtype unknown", file(type: "F8_E4M3"), ["\"t\"", "F8_E4M3"]),
    (
      "dtype a number", file("{\"t\":{\"dtype\":1,\"shape\":[0],\"data_offsets\":[0,0]}}"),
      ["dtype"]
    ),
    ("one offset", file(offsets: "[8]"), ["\"t\"", "data_offsets"]),
    ("three offsets", file(offsets: "[0,4,8]"), ["\"t\"", "data_offsets"]),
    ("offsets negative", file(offsets: "[-8,0]"), ["\"t\"", "-8"]),
    // Their difference is beyond Int.
    ("offsets from the least integer", file(offsets: "[\(Int.min),8]"), ["\"t\"", "\(Int.min)"]),
    ("offsets reversed", file(offsets: "[8,0]"), ["\"t\"", "[8, 0]"]),
    ("offsets beyond the end", file(offsets: "[0,12]", data: [0, 0, 0, 0]), ["\"t\"", "4 bytes"]),
    ("offsets huge", file(offsets: "[0,\(Int.max)]"), ["\"t\"", "\(Int.max)"]),
    ("offsets beyond Int", file(offsets: "[0,9223372036854775808]"), ["header is not valid"]),
    ("offsets of fractions", file(offsets: "[0,7.5]"), ["header is not valid"]),
    ("shape negative", file(shape: "[-2]"), ["\"t\"", "[-2]"]),
    ("shape of two negatives", file(shape: "[-1,-2]"), ["\"t\"", "[-1, -2]"]),
    ("shape overflows", file(shape: "[4294967296,4294967296]"), ["\"t\"", "4294967296"]),
    ("shape overflows to its size", file(shape: "[4611686018427387905,2]"), ["\"t\"", "46116860"]),
    ("shape is not the size", file(shape: "[3]"), ["\"t\"", "12 bytes", "not 8"]),
    ("dtype is not the size", file(type: "F64"), ["\"t\"", "16 bytes", "not 8"]),
    ("bytes after the last", file(data: Array(repeating: 0, count: 9)), ["\"t\""]),
    ("bytes without tensors", file("{}", [1, 2, 3]), ["3 bytes follow"]),
    ("trailing bytes", two("[0,8]", "[8,16]", bytes: 17), ["1 bytes follow"]),
    ("overlap", two("[0,8]", "[4,12]", bytes: 12), ["\"b\"", "byte 4"]),
    ("the same bytes twice", two("[0,8]", "[0,8]", bytes: 8), ["begins at byte 0"]),
    ("gap", two("[0,8]", "[12,20]", bytes: 20), ["\"b\"", "byte 12"]),
    ("gap at the start", two("[8,16]", "[16,24]", bytes: 24), ["\"a\"", "byte 8"]),
    (
      "deep nesting", file(String(repeating: "{\"a\":", count: 100_000)), ["header is not valid"]
    ),
    ("deep arrays", file(String(repeating: "[", count: 1_000_000)), ["header is not valid"]),
    (
      "deep nesting in metadata",
      file("{\"__metadata__\":\(String(repeating: "[", count: 100_000))"), ["header is not valid"]
    ),
  ]

  @Test(arguments: hostile.indices)
  func refuses(index: Int) throws {
    let (label, bytes, named) = Self.hostile[index]
    expectError(named, label) { _ = try SafeTensorsFile(bytes: bytes) }
    // From a file, too: what is read in parts is checked alike.
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/hostile"
    try Data(bytes).write(to: URL(filePath: path))
    #expect(throws: SafeTensorsError.self, "\(label)") { _ = try SafeTensorsFile(path: path) }
  }

  /// The files above are hostile by what their labels say, not by an error of the test.
  @Test func theirLikesAreValid() throws {
    #expect(try SafeTensorsFile(bytes: Self.file()).values("t") == [0, 0])
    #expect(try SafeTensorsFile(bytes: Self.two("[0,8]", "[8,16]")).header.tensors.count == 2)
    #expect(try SafeTensorsFile(bytes: Self.two("[8,16]", "[0,8]")).header.tensors[0].name == "b")
    #expect(try SafeTensorsFile(bytes: Self.file("{}")).header.tensors.isEmpty)
    #expect(
      try SafeTensorsFile(bytes: Self.file(shape: "[0,\(Int.max)]", data: [])).values("t") == [])
    let spaced = Self.file("{\"__metadata__\":{\"a\":\"b\"}}   ")
    #expect(try SafeTensorsFile(bytes: spaced).header.metadata == ["a": "b"])
  }
}
