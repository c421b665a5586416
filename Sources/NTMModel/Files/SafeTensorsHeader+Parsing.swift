#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

extension SafeTensorsHeader {
  /// Where a file's header is.
  ///
  /// - Parameters:
  ///   - beginning: the first 8 bytes, or all that there are
  ///   - count: the file's length
  static func range(
    beginning: Data, fileByteCount count: Int
  ) throws(SafeTensorsError) -> Range<Int> {
    guard beginning.count >= lengthSize else {
      throw SafeTensorsError("the file has \(count) bytes, too few for a header's length")
    }
    let length = beginning.withUnsafeBytes {
      UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self))
    }
    guard length <= maximumLength else {
      throw SafeTensorsError("the header's length is \(length); at most \(maximumLength) is valid")
    }
    guard Int(length) <= count - lengthSize else {
      throw SafeTensorsError(
        "the header's length is \(length), but only \(count - lengthSize) bytes follow")
    }
    return lengthSize..<lengthSize + Int(length)
  }

  /// Reads and checks a header. Nothing of it is trusted: every length, type, shape and range is
  /// checked before a byte of a tensor is looked at.
  ///
  /// - Parameters:
  ///   - json: the header
  ///   - start: the file's byte that is behind it
  ///   - count: the file's length
  init(json: Data, start: Int, fileByteCount count: Int) throws(SafeTensorsError) {
    let fields = try Self.decode(json)
    metadata = fields.metadata
    var tensors: [Tensor] = []
    tensors.reserveCapacity(fields.tensors.count)
    for (name, entry) in fields.tensors {
      tensors.append(try entry.checked(name: name, start: start, end: count))
    }
    tensors.sort {
      ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound)
    }
    var end = start
    for tensor in tensors {
      guard tensor.bytes.lowerBound == end else {
        throw SafeTensorsError(
          tensor: tensor.name,
          "begins at byte \(tensor.bytes.lowerBound - start) of the data; the one before ends at "
            + "\(end - start)")
      }
      end = tensor.bytes.upperBound
    }
    guard end == count else {
      throw SafeTensorsError("\(count - end) bytes follow the last tensor")
    }
    self.tensors = tensors
  }

  private static func decode(_ json: Data) throws(SafeTensorsError) -> Fields {
    do {
      return try JSONDecoder().decode(Fields.self, from: json)
    } catch let error as DecodingError {
      throw SafeTensorsError("the header is not valid: \(error.summary)")
    } catch {
      throw SafeTensorsError("the header is not valid: \(error)")
    }
  }
}

/// The header's JSON object.
private struct Fields: Decodable {
  var metadata: [String: String] = [:]
  var tensors: [String: Entry] = [:]

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Key.self)
    for key in fields.allKeys {
      if key.stringValue == "__metadata__" {
        metadata = try fields.decode([String: String].self, forKey: key)
      } else {
        tensors[key.stringValue] = try fields.decode(Entry.self, forKey: key)
      }
    }
  }
}

private struct Entry: Decodable {
  let dtype: String
  let shape: [Int]
  let dataOffsets: [Int]

  private enum CodingKeys: String, CodingKey {
    case dtype, shape
    case dataOffsets = "data_offsets"
  }

  /// - Parameters:
  ///   - start: the file's byte that offset 0 means
  ///   - end: the file's length
  func checked(
    name: String, start: Int, end: Int
  ) throws(SafeTensorsError) -> SafeTensorsHeader.Tensor {
    func fail(_ reason: String) -> SafeTensorsError { SafeTensorsError(tensor: name, reason) }
    guard let type = SafeTensorsHeader.ElementType(rawValue: dtype) else {
      throw fail("has the dtype \"\(dtype)\", which is not known")
    }
    guard dataOffsets.count == 2 else {
      throw fail("has \(dataOffsets.count) data_offsets; a begin and an end are valid")
    }
    let (first, last) = (dataOffsets[0], dataOffsets[1])
    guard 0 <= first, first <= last, last <= end - start else {
      throw fail("has the data_offsets \(dataOffsets); the data has \(end - start) bytes")
    }
    var size = type.byteCount
    for dimension in shape {
      let (product, overflow) = size.multipliedReportingOverflow(by: dimension)
      guard dimension >= 0, !overflow else { throw fail("has the shape \(shape)") }
      size = product
    }
    guard size == last - first else {
      throw fail("of shape \(shape) and dtype \(dtype) needs \(size) bytes, not \(last - first)")
    }
    return SafeTensorsHeader.Tensor(
      name: name, type: type, shape: shape, bytes: start + first..<start + last)
  }
}
