#!/usr/bin/env node
// In a file of its own, which is there before anything is built: npm links only what it finds as it installs.
import '../dist/main.js';
