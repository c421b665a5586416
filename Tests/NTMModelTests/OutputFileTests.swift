import Foundation
import Testing

@testable import NTMModel

/// The place a file is written to, and its content afterwards.
struct OutputFileTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func path(_ name: String) -> String { "\(folder.path)/\(name)" }

  private func make(_ name: String, _ content: String = "old") throws {
    try Data(content.utf8).write(to: URL(filePath: path(name)))
  }

  private func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: path(name), withDestinationPath: target)
  }

  private func content(_ name: String) -> String? {
    FileManager.default.contents(atPath: path(name)).map { String(decoding: $0, as: UTF8.self) }
  }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
  }

  private func mode(_ name: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path(name))
    return try #require(attributes[.posixPermissions] as? Int)
  }

  private func write(_ name: String) throws {
    try OutputFile.write(Array("new".utf8), to: path(name))
  }

  // MARK: Regular files

  @Test func aFileIsMadeOrReplaced() throws {
    for _ in 0..<2 {
      try write("file")
      #expect(content("file") == "new")
      #expect(try names() == ["file"])
    }
  }

  @Test(arguments: [0o600, 0o640, 0o755])
  func aReplacedFileKeepsItsPermissions(_ mode: Int) throws {
    try make("file")
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path("file"))
    try write("file")
    #expect(content("file") == "new")
    #expect(try self.mode("file") == mode)
  }

  @Test func aNameOfTheGreatestLengthIsWritten() throws {
    let name = String(repeating: "n", count: 255)
    try write(name)
    #expect(try names() == [name])
  }

  @Test func aLeadingTildeIsNoHomeFolder() throws {
    // Foundation replaces it in paths that begin with it.
    try write("~root")
    #expect(try names() == ["~root"])
  }

  // MARK: Symbolic links

  @Test func aSymbolicLinkStays() throws {
    try FileManager.default.createDirectory(
      atPath: path("data"), withIntermediateDirectories: false)
    try make("data/file")
    try link("absolute", to: path("data/file"))
    try link("relative", to: "data/file")
    try link("chain", to: "relative")
    for name in ["absolute", "relative", "chain"] {
      try make("data/file")
      try write(name)
      #expect(content("data/file") == "new")
      #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path(name)) != "")
      #expect(try FileManager.default.contentsOfDirectory(atPath: path("data")) == ["file"])
    }
    #expect(try names() == ["absolute", "chain", "data", "relative"])
  }

  @Test func whatCannotBeWrittenIsRefusedWithTheReason() throws {
    try FileManager.default.createDirectory(
      atPath: path("data"), withIntermediateDirectories: false)
    try make("file")
    try link("dangling", to: "nothing")
    try link("nowhere", to: "no/such/folder")
    try link("loop", to: "other-loop")
    try link("other-loop", to: "loop")
    try link("to-folder", to: "data")
    let before = try names()
    for (name, reason) in [
      ("dangling", "it is a symbolic link to \(folder.path)/nothing, which does not exist"),
      ("nowhere", "there is no folder \(folder.path)/no/such"),
      ("loop", "Too many levels of symbolic links"), ("to-folder", "it is a folder"),
      ("data", "it is a folder"), ("data/", "it names a folder"),
      ("missing/file", "there is no folder \(folder.path)/missing"),
      ("file/file", "Not a directory"),
    ] {
      let error = #expect(throws: OutputFileError.self, "\(name)") { try write(name) }
      #expect(error?.description == "\(path(name)) can't be written: \(reason)")
    }
    #expect(throws: OutputFileError.self) { try OutputFile("") }
    #expect(try names() == before)
    #expect(content("file") == "old")
  }

  // MARK: Other kinds of files

  @Test func aPipeGetsTheBytes() throws {
    try #require(mkfifo(path("pipe"), 0o600) == 0)
    // With a reader, opening does not wait.
    let reader = open(path("pipe"), O_RDWR)
    defer { close(reader) }
    let file = try OutputFile(path("pipe"))
    #expect(!file.isRegular && !file.replacesFile)
    try file.checkWritable()
    try file.write(Array("new".utf8))
    var bytes = [UInt8](repeating: 0, count: 10)
    #expect(read(reader, &bytes, bytes.count) == 3)
    #expect(bytes.starts(with: "new".utf8))
    #expect(try names() == ["pipe"])
  }

  @Test func aDeviceGetsTheBytes() throws {
    // By a link, so that a failure replaces no device of the machine.
    try link("null", to: "/dev/null")
    try write("null")
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path("null")) == "/dev/null")
    #if os(Linux)
      try link("full", to: "/dev/full")
      let error = #expect(throws: OutputFileError.self) { try write("full") }
      #expect(error?.description.hasSuffix("No space left on device") == true)
    #endif
  }

  @Test(arguments: ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
  func standardOutputIsFoundByItsName(_ name: String) throws {
    #expect(try OutputFile(name).isStandardOutput)
    try link("out", to: name)
    let file = try OutputFile(path("out"))
    #expect(file.isStandardOutput && !file.isRegular)
  }

  @Test func aDescriptorThatIsNotOpenIsRefused() throws {
    let error = #expect(throws: OutputFileError.self) {
      try OutputFile("/dev/fd/999999").checkWritable()
    }
    #expect(error?.description == "/dev/fd/999999 can't be written: Bad file descriptor")
  }

  // MARK: Before long work

  @Test func aCheckChangesNothing() throws {
    try make("file")
    try OutputFile(path("file")).checkWritable()
    try OutputFile(path("other")).checkWritable()
    #expect(try names() == ["file"])
    #expect(content("file") == "old")
  }

  @Test func aProtectedFileStays() throws {
    // The superuser may write to every file.
    guard geteuid() != 0 else { return }
    try make("file")
    try FileManager.default.setAttributes([.posixPermissions: 0o400], ofItemAtPath: path("file"))
    #expect(throws: OutputFileError.self) { try OutputFile(path("file")).checkWritable() }
    #expect(throws: OutputFileError.self) { try write("file") }
    #expect(content("file") == "old")
  }

  @Test func anInputIsNotReplaced() throws {
    try make("input")
    try link("link", to: "input")
    try FileManager.default.linkItem(atPath: path("input"), toPath: path("hard-link"))
    for name in ["input", "link", "hard-link"] {
      let error = #expect(throws: OutputFileError.self, "\(name)") {
        try OutputFile(path(name), inputs: [path("other"), path("input")])
      }
      #expect(error?.description.hasSuffix("the same file as the input \(path("input"))") == true)
    }
    _ = try OutputFile(path("other"), inputs: [path("input")])
  }
}

/// Bytes in messages.
struct EscapedTextTests {
  @Test(arguments: [
    (bytes: Array("plain/ü €😀".utf8), text: "plain/ü €😀"),
    (bytes: [0x64, 0xE4, 0x74, 0x61], text: #"d\xe4ta"#),
    (bytes: [0xC3], text: #"\xc3"#), (bytes: [0xC3, 0xBC, 0xC3], text: #"ü\xc3"#),
    (bytes: [0xED, 0xA0, 0x80], text: #"\xed\xa0\x80"#),
    (bytes: [0x61, 0x0A, 0x7F], text: #"a\x0a\x7f"#), (bytes: [], text: ""),
  ])
  func escapesWhatIsNotText(_ bytes: [UInt8], _ text: String) {
    #expect(String(escaping: bytes) == text)
  }
}
