#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// Builds a safetensors file of float32 tensors.
public struct SafeTensorsWriter: Sendable {
  public var metadata: [String: String]
  /// Whether the file gets a checksum, by which `SafeTensorsFile.verifyChecksum` finds a changed byte.
  package var hasChecksum = false
  private var tensors: [(name: String, shape: [Int], values: [Float])] = []

  public init(metadata: [String: String] = [:]) { self.metadata = metadata }

  /// Adds a tensor.
  ///
  /// - Parameter values: row-major, as many as the shape says
  public mutating func add(_ name: String, shape: [Int], _ values: [Float]) {
    precondition(values.count == shape.reduce(1, *), "\(name): values don't fill the shape")
    precondition(!tensors.contains { $0.name == name }, "\(name) is there already")
    tensors.append((name, shape, values))
  }

  /// The file. Equal contents give equal bytes.
  public func bytes() -> [UInt8] {
    var end = 0
    var fields: [String: HeaderField] = [:]
    var metadata = metadata
    if hasChecksum { metadata[FileChecksum.field] = FileChecksum.placeholder }
    if !metadata.isEmpty { fields["__metadata__"] = .metadata(metadata) }
    for (name, shape, values) in tensors {
      let start = end
      end += values.count * MemoryLayout<Float>.size
      fields[name] = .tensor(shape: shape, start: start, end: end)
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Strings and integers always encode.
    var header = [UInt8](try! encoder.encode(fields))
    // Spaces bring the tensors to a multiple of 8, as other writers do.
    while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }

    var file: [UInt8] = []
    file.reserveCapacity(SafeTensorsHeader.lengthSize + header.count + end)
    withUnsafeBytes(of: UInt64(header.count).littleEndian) { file.append(contentsOf: $0) }
    file.append(contentsOf: header)
    for (_, _, values) in tensors {
      for value in values {
        withUnsafeBytes(of: value.bitPattern.littleEndian) { file.append(contentsOf: $0) }
      }
    }
    if hasChecksum { FileChecksum.insert(into: &file) }
    return file
  }

  /// Writes the file; a reader never sees half of it.
  ///
  /// - Throws: an error that names the file and the reason.
  public func write(to path: String) throws { try OutputFile.write(bytes(), to: path) }
}

private enum HeaderField: Encodable {
  case metadata([String: String])
  case tensor(shape: [Int], start: Int, end: Int)

  private enum CodingKeys: String, CodingKey {
    case dtype, shape
    case dataOffsets = "data_offsets"
  }

  func encode(to encoder: any Encoder) throws {
    switch self {
    case .metadata(let metadata): try metadata.encode(to: encoder)
    case .tensor(let shape, let start, let end):
      var fields = encoder.container(keyedBy: CodingKeys.self)
      try fields.encode("F32", forKey: .dtype)
      try fields.encode(shape, forKey: .shape)
      try fields.encode([start, end], forKey: .dataOffsets)
    }
  }
}
