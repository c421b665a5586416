#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// A safetensors file. Only its header is held in memory; its tensors are read where they are.
public struct SafeTensorsFile: Sendable {
  public let header: SafeTensorsHeader
  /// Where the tensors' bytes begin.
  let headerEnd: Int
  private let content: Content

  private enum Content {
    case memory(Data)
    case file(FileReader)

    var byteCount: Int {
      switch self {
      case .memory(let data): data.count
      case .file(let reader): reader.byteCount
      }
    }

    func read(_ range: Range<Int>) throws(SafeTensorsError) -> Data {
      switch self {
      case .memory(let data): data[range]
      case .file(let reader): try reader.read(range)
      }
    }
  }

  /// Opens a file and checks its header.
  ///
  /// - Throws: `SafeTensorsError`, also where the file can't be read.
  public init(path: String) throws(SafeTensorsError) {
    try self.init(.file(FileReader(path: path)))
  }

  /// Checks a file that is in memory.
  public init(bytes: [UInt8]) throws(SafeTensorsError) { try self.init(.memory(Data(bytes))) }

  private init(_ content: Content) throws(SafeTensorsError) {
    let count = content.byteCount
    let range = try SafeTensorsHeader.range(
      beginning: content.read(0..<min(count, SafeTensorsHeader.lengthSize)), fileByteCount: count)
    header = try SafeTensorsHeader(
      json: content.read(range), start: range.upperBound, fileByteCount: count)
    headerEnd = range.upperBound
    self.content = content
  }

  /// Length in bytes.
  public var byteCount: Int { content.byteCount }

  func bytes(_ range: Range<Int>) throws(SafeTensorsError) -> Data { try content.read(range) }

  /// For whoever has read all that is wanted, in several calls.
  ///
  /// - Throws: where the file was written to meanwhile: what was read may be of two files.
  func checkUnchanged() throws(SafeTensorsError) {
    if case .file(let reader) = content { try reader.checkUnchanged() }
  }

  // MARK: Values

  /// Copies values of a tensor as Float.
  ///
  /// - Parameters:
  ///   - shape: what the tensor must have
  ///   - range: which of its values, counted row-major; all by default
  ///   - destination: room for them
  /// - Throws: where the tensor is missing, has another shape or a dtype that is not a float, or
  ///   has a value that is not finite.
  public func copy(
    _ name: String, shape: [Int], range: Range<Int>? = nil,
    to destination: UnsafeMutablePointer<Float>
  ) throws(SafeTensorsError) {
    let tensor = try check(name, shape: shape)
    try copy(tensor, range ?? 0..<tensor.count, to: destination)
  }

  /// Checks that a tensor is there and has a shape.
  @discardableResult
  package func check(_ name: String, shape: [Int]) throws(SafeTensorsError)
    -> SafeTensorsHeader.Tensor
  {
    let tensor = try self.tensor(name)
    guard tensor.shape == shape else {
      throw SafeTensorsError(tensor: name, "has the shape \(tensor.shape); \(shape) is expected")
    }
    return tensor
  }

  /// All values of a tensor, row-major.
  ///
  /// - Throws: as `copy`.
  public func values(_ name: String) throws(SafeTensorsError) -> [Float] {
    let tensor = try self.tensor(name)
    var values = [Float](repeating: 0, count: tensor.count)
    var span = values.mutableSpan
    try span.withUnsafeMutableBufferPointer { buffer throws(SafeTensorsError) in
      guard let base = buffer.baseAddress else { return }
      try copy(tensor, 0..<tensor.count, to: base)
    }
    return values
  }

  private func tensor(_ name: String) throws(SafeTensorsError) -> SafeTensorsHeader.Tensor {
    guard let tensor = header[name] else { throw SafeTensorsError(tensor: name, "is missing") }
    return tensor
  }

  /// So that little is in memory twice.
  private static let valuesAtATime = 1 << 16

  private func copy(
    _ tensor: SafeTensorsHeader.Tensor, _ range: Range<Int>,
    to destination: UnsafeMutablePointer<Float>
  ) throws(SafeTensorsError) {
    precondition(range.upperBound <= tensor.count, "beyond the end of \(tensor.name)")
    guard tensor.type.isFloat else {
      throw SafeTensorsError(
        tensor: tensor.name, "has the dtype \(tensor.type.rawValue); floats are expected")
    }
    let size = tensor.type.byteCount
    for first in stride(from: range.lowerBound, to: range.upperBound, by: Self.valuesAtATime) {
      let values = first..<min(first + Self.valuesAtATime, range.upperBound)
      let start = tensor.bytes.lowerBound
      let bytes = try content.read(
        start + values.lowerBound * size..<start + values.upperBound * size)
      bytes.withUnsafeBytes {
        tensor.type.convert($0, to: destination + (first - range.lowerBound))
      }
    }
    for index in 0..<range.count where !destination[index].isFinite {
      throw SafeTensorsError(
        tensor: tensor.name,
        "has a value that is not finite in float32, at index \(range.lowerBound + index)")
    }
  }
}

extension SafeTensorsHeader.ElementType {
  fileprivate var isFloat: Bool {
    switch self {
    case .f64, .f32, .f16, .bf16: true
    case .i64, .i32, .i16, .i8, .u64, .u32, .u16, .u8, .bool: false
    }
  }

  /// Converts elements, which are floats, to Float.
  fileprivate func convert(
    _ bytes: UnsafeRawBufferPointer, to destination: UnsafeMutablePointer<Float>
  ) {
    switch self {
    case .f32:
      NTMModel.convert(bytes, to: destination) { Float(bitPattern: UInt32(littleEndian: $0)) }
    case .f64:
      NTMModel.convert(bytes, to: destination) {
        Float(Double(bitPattern: UInt64(littleEndian: $0)))
      }
    case .f16:
      NTMModel.convert(bytes, to: destination) { Float(half: UInt16(littleEndian: $0)) }
    case .bf16:
      NTMModel.convert(bytes, to: destination) {
        Float(bitPattern: UInt32(UInt16(littleEndian: $0)) << 16)
      }
    case .i64, .i32, .i16, .i8, .u64, .u32, .u16, .u8, .bool:
      preconditionFailure("\(rawValue) is not a float")
    }
  }
}

private func convert<Stored: FixedWidthInteger>(
  _ bytes: UnsafeRawBufferPointer, to destination: UnsafeMutablePointer<Float>,
  _ value: (Stored) -> Float
) {
  let size = MemoryLayout<Stored>.size
  for index in 0..<bytes.count / size {
    destination[index] = value(bytes.loadUnaligned(fromByteOffset: index * size, as: Stored.self))
  }
}

extension Float {
  /// IEEE 754 binary16. (Swift's Float16 does not exist on every platform.)
  fileprivate init(half bits: UInt16) {
    let sign: Float = bits >> 15 == 0 ? 1 : -1
    let exponent = Int(bits >> 10 & 31)
    let fraction = Float(bits & 1023)
    self =
      switch exponent {
      case 0: sign * fraction * Float(sign: .plus, exponent: -24, significand: 1)
      case 31: fraction == 0 ? sign * .infinity : .nan
      default: sign * Float(sign: .plus, exponent: exponent - 25, significand: 1024 + fraction)
      }
  }
}
