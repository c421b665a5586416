#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// A folder of the file system.
package enum Folder {
  /// The names in a folder without `.` and `..`, as bytes: a file's name need not be UTF-8.
  ///
  /// - Returns: nil if the folder can't be read.
  package static func names(_ path: String) -> [[UInt8]]? {
    guard let folder = opendir(path) else { return nil }
    defer { closedir(folder) }
    var names: [[UInt8]] = []
    while true {
      errno = 0
      guard let entry = readdir(folder) else { return errno == 0 ? names : nil }
      let offset = MemoryLayout<dirent>.offset(of: \.d_name)!
      let name = (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: UInt8.self)
      let bytes = Array(UnsafeBufferPointer(start: name, count: strlen(name.signed)))
      if bytes != Array(".".utf8), bytes != Array("..".utf8) { names.append(bytes) }
    }
  }
}

extension UnsafePointer<UInt8> {
  fileprivate var signed: UnsafePointer<CChar> {
    UnsafeRawPointer(self).assumingMemoryBound(to: CChar.self)
  }
}
